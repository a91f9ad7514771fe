package mapping

import (
	"net/netip"
	"regexp"
	"slices"
	"sync/atomic"
)

// maxPatterns bounds the rows of a table whose keys are regular expressions,
// as they are tried one after the other.
const maxPatterns = 10_000

// table is what lookup looks in. Its rows may be replaced at any time.
type table struct {
	name  string
	key   string
	match string // exact, cidr or regex
	sql   string
	rows  atomic.Pointer[rows]
}

// find returns the row that a key belongs to, as a map[string]string; nil:
// there is none.
func (t *table) find(key any) any {
	rows := t.rows.Load()
	if rows == nil || key == nil {
		return nil
	}
	if row := rows.find(text(key)); row != nil {
		return row
	}
	return nil
}

// row is a row of a table: its cells by column, without those that are empty,
// so that they are nil like those of a row that is not there.
type row = map[string]string

// rows are the rows of a table, in the shape that finds them fast. They are
// immutable.
type rows struct {
	exact    map[string]row
	networks map[netip.Prefix]row
	lengths  []int // of the prefixes of networks, longest first; IPv6 ones beyond 32 are for IPv6 alone
	patterns []patternRow
}

type patternRow struct {
	re  *regexp.Regexp
	row row
}

func (r *rows) find(key string) row {
	switch {
	case r.exact != nil:
		return r.exact[key]
	case r.networks != nil:
		return r.longest(key)
	}
	for i := range r.patterns {
		if r.patterns[i].re.MatchString(key) {
			return r.patterns[i].row
		}
	}
	return nil
}

// longest returns the row of the longest prefix that holds an address.
func (r *rows) longest(key string) row {
	a, err := netip.ParseAddr(key)
	if err != nil {
		return nil
	}
	a = a.Unmap().WithZone("")
	for _, bits := range r.lengths {
		if bits > a.BitLen() {
			continue
		}
		p, err := a.Prefix(bits)
		if err != nil {
			continue
		}
		if row := r.networks[p]; row != nil {
			return row
		}
	}
	return nil
}

// rowFault is what is wrong with the nth row.
type rowFault struct {
	row     int
	message string
}

// newRows makes rows findable. Those with faults are left out; of two rows of
// one key the first one is found.
func newRows(match string, key int, columns []string, cells func(i int) []string, n int) (*rows, []rowFault) {
	r := &rows{}
	add := r.adder(match)
	var faults []rowFault
	for i := range n {
		values := cells(i)
		if len(values) != len(columns) {
			faults = append(faults, rowFault{i, "it has another number of values than there are columns"})
			continue
		}
		row := make(row, len(columns))
		for j, v := range values {
			if v = clean(v); v != "" {
				row[columns[j]] = v
			}
		}
		if message := add(row[columns[key]], row); message != "" {
			faults = append(faults, rowFault{i, message})
		}
	}
	slices.Sort(r.lengths)
	slices.Reverse(r.lengths)
	return r, faults
}

// adder returns what adds a row under its key, and says what is wrong with
// it; nothing where it is right.
func (r *rows) adder(match string) func(string, row) string {
	switch match {
	case "cidr":
		r.networks = map[netip.Prefix]row{}
		return r.addNetwork
	case "regex":
		return r.addPattern
	}
	r.exact = map[string]row{}
	return r.addExact
}

func (r *rows) addExact(key string, row row) string {
	switch {
	case key == "":
		return "the key is empty"
	case r.exact[key] != nil:
		return `the key "` + clip(key, 80) + `" is there already: the first row of a key counts`
	}
	r.exact[key] = row
	return ""
}

func (r *rows) addNetwork(key string, row row) string {
	p, err := netip.ParsePrefix(key)
	if err != nil {
		a, err := netip.ParseAddr(key)
		if err != nil || a.Zone() != "" {
			return `"` + clip(key, 80) + `" is no network, like 192.0.2.0/24 or 2001:db8::/32`
		}
		a = a.Unmap()
		p = netip.PrefixFrom(a, a.BitLen())
	}
	p = p.Masked()
	if r.networks[p] != nil {
		return "the network " + p.String() + " is there already: the first row of a key counts"
	}
	r.networks[p] = row
	if !slices.Contains(r.lengths, p.Bits()) {
		r.lengths = append(r.lengths, p.Bits())
	}
	return ""
}

func (r *rows) addPattern(key string, row row) string {
	if key == "" {
		return "the key is empty"
	}
	if len(r.patterns) == maxPatterns {
		return "a table of regular expressions has at most 10000 rows, as they are tried one after the other"
	}
	re, err := regexp.Compile(key)
	if err != nil {
		return notRE2(err)
	}
	r.patterns = append(r.patterns, patternRow{re, row})
	return ""
}
