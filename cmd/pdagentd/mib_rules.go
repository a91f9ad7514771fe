package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pdaltagent/pdaltagent/mibs"
)

// rules prints a rule file to start from, for the notifications of a module.
func (m *mibBrowser) rules(ctx context.Context, module string) error {
	all, err := m.library.Definitions(ctx, module)
	if err != nil {
		return err
	}
	var notes []mibs.Definition
	for _, d := range all {
		if d.Kind == "notification" {
			notes = append(notes, d)
		}
	}
	// Some modules define a notification twice.
	notes = slices.CompactFunc(notes, func(a, b mibs.Definition) bool { return a.OID == b.OID })
	if len(notes) == 0 {
		return fmt.Errorf("%s defines no notification%s", module, m.withNotifications(module))
	}
	drafts := draftRules(notes)
	about := []string{
		fmt.Sprintf("%s: %s of %s, as 'pdagentd mib rules' makes them of what the module says.",
			module, count(len(drafts), "rule"), count(len(notes), "notification")),
		"A start to edit: take out what nobody needs to know of, check the severities, and say in summaries what helps " +
			"who is woken by them. 'pdagentd check' says what is wrong; mapping/README.md describes the language.",
	}
	writeDrafts(m.stdout, about, drafts)
	return nil
}

// withNotifications names modules like this one that define some.
func (m *mibBrowser) withNotifications(module string) string {
	first, _, _ := strings.Cut(module, "-")
	var others []string
	for _, o := range m.library.List() {
		if o.Notifications > 0 && o.Name != module && strings.HasPrefix(o.Name, first+"-") {
			others = append(others, o.Name)
		}
	}
	if more := len(others) - 5; more > 0 {
		others = append(others[:5], fmt.Sprintf("%d more", more))
	}
	if len(others) == 0 {
		return ""
	}
	return "; these do: " + strings.Join(others, ", ")
}

// draftRules makes a rule of each notification, and one of those that begin
// and end the same problem.
func draftRules(notes []mibs.Definition) []draft {
	problems := pairUp(notes)
	taken := map[string]bool{}
	drafts := make([]draft, len(problems))
	for i := range problems {
		d := problems[i].draft()
		d.id = unique(d.id, taken)
		drafts[i] = d
	}
	return drafts
}

// unique returns an id that is not taken yet, and takes it.
func unique(id string, taken map[string]bool) string {
	if id == "" {
		id = "rule"
	}
	id = strings.TrimRight(id[:min(len(id), 90)], "-")
	free := id
	for n := 2; taken[free]; n++ {
		free = fmt.Sprintf("%s-%d", id, n)
	}
	taken[free] = true
	return free
}

// problem is notifications that tell of one problem.
type problem struct{ begin, end []mibs.Definition }

// pairUp puts notifications together that begin and end the same problem: by
// their names, and only where the index of both can be the same. They come in
// the order of the first that begins each.
func pairUp(notes []mibs.Definition) (problems []problem) {
	group, isEnd := make([]int, len(notes)), make([]bool, len(notes))
	for i := range group {
		group[i] = i
	}
	for i := range notes {
		for j := range notes {
			if i == j || !ends(notes[i].Label, notes[j].Label) || !sameIndex(&notes[i], &notes[j]) || isGrave(&notes[i]) {
				continue
			}
			isEnd[i] = true
			for k, g := range group {
				if g == group[i] && k != j {
					group[k] = group[j]
				}
			}
		}
	}
	at := map[int]int{}
	for i, n := range notes {
		g := group[i]
		if _, ok := at[g]; !ok {
			at[g] = len(problems)
			problems = append(problems, problem{})
		}
		p := &problems[at[g]]
		if isEnd[i] {
			p.end = append(p.end, n)
		} else {
			p.begin = append(p.begin, n)
		}
	}
	for i := range problems {
		if p := &problems[i]; len(p.begin) == 0 { // they end one another
			p.begin, p.end = p.end, nil
		}
	}
	return problems
}

// isGrave says whether a tag calls a notification worse than an end can be.
func isGrave(n *mibs.Definition) bool {
	if n.Tags.Severity == "" {
		return false
	}
	s := severityOf(n.Tags.Severity, "", "", "")
	return s == "critical" || s == "error"
}

// sameIndex says whether two notifications may carry the same index: that of
// their first columns.
func sameIndex(a, b *mibs.Definition) bool {
	x, y := indexColumn(a), indexColumn(b)
	if x == nil || y == nil {
		return x == nil && y == nil
	}
	return slices.Equal(x.Index, y.Index)
}

func indexColumn(n *mibs.Definition) *mibs.Definition {
	for i := range n.Objects {
		if n.Objects[i].Kind == "column" {
			return &n.Objects[i]
		}
	}
	return nil
}
