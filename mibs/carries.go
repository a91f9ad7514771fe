package mibs

import "sort"

// Carries returns the OIDs of the objects that the notification at oid
// carries by its definition, in their order; ok is false where oid is no
// notification that is known.
func (m *Modules) Carries(oid string) (objects []string, ok bool) {
	d, instance := m.find(oid)
	if d == nil || d.kind != notice || instance != "" {
		return nil, false
	}
	low := sort.Search(len(m.notes), func(n int) bool { return m.defs[m.notes[n].def].module >= d.module })
	for _, note := range m.notes[low:] {
		switch n := &m.defs[note.def]; {
		case n.module != d.module:
			return nil, false
		case n.node != d.node:
			continue
		}
		for _, o := range m.objects[note.objects:note.end] {
			objects = append(objects, m.tree.oid(m.defs[o].node))
		}
		return objects, true
	}
	return nil, false
}

// HasLabel says whether a module defines a label.
func (m *Modules) HasLabel(label string) bool { return len(m.labelled(label)) > 0 }

// NearLabel returns the label that is near to one that no module defines;
// empty: none is. It looks at all of them.
func (m *Modules) NearLabel(label string) string {
	return nearest(label, func(yield func(string) bool) {
		for i := range m.defs {
			if !yield(m.label(&m.defs[i])) {
				return
			}
		}
	})
}
