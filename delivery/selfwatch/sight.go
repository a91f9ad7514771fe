package selfwatch

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// sight is what is seen at a look. Each of its methods returns one kind of
// trouble; nil: there is none.
type sight struct {
	config       Config
	name         string // of the node
	before, node Node
	record       Record
	now          time.Time
}

// full is from which part of the spool's room on it becomes urgent.
const full = 0.5

func (s *sight) spool() *delivery.Trouble {
	if s.node.Spooled == 0 {
		return nil
	}
	t := delivery.Trouble{
		Severity: mapping.Error,
		Summary: fmt.Sprintf("%s: events wait on disk (%d), since Postgres does not take them: bring it up, or look at what keeps it busy; they are sent then",
			s.name, s.node.Spooled),
		Details: map[string]any{"events": s.node.Spooled, "bytes": s.node.SpoolBytes, "max_bytes": s.node.SpoolMax},
	}
	if float64(s.node.SpoolBytes) > full*float64(s.node.SpoolMax) {
		t.Severity = mapping.Critical
	}
	return &t
}

func (s *sight) lost() *delivery.Trouble {
	n := s.node.Lost - s.before.Lost
	if n <= 0 {
		return nil
	}
	return &delivery.Trouble{
		Severity: mapping.Critical,
		Summary:  fmt.Sprintf("%s: messages were lost (%d), since neither Postgres nor the spool took them: bring Postgres up, and make room under data_dir", s.name, n),
		Details:  map[string]any{"messages": n, "since_start": s.node.Lost},
	}
}

func (s *sight) damage() *delivery.Trouble {
	if s.node.Damaged <= s.before.Damaged {
		return nil
	}
	return &delivery.Trouble{
		Severity: mapping.Error,
		Summary:  fmt.Sprintf("%s: a part of the spool was damaged and set aside, with the events in it: look at the disk; the log names the file", s.name),
		Details:  map[string]any{"since_start": s.node.Damaged},
	}
}

func (s *sight) drops() *delivery.Trouble {
	dropped := grown(s.before.Drops, s.node.Drops)
	if len(dropped) == 0 {
		return nil
	}
	return &delivery.Trouble{
		Severity: mapping.Error,
		Summary: fmt.Sprintf("%s: the kernel has dropped datagrams (%d) of %s, since more came than could be taken: the log says what helps",
			s.name, sum(dropped), names(dropped)),
		Details: map[string]any{"datagrams": dropped, "since_start": s.node.Drops},
	}
}

func (s *sight) ruleErrors() *delivery.Trouble {
	errors := grown(s.before.RuleErrors, s.node.RuleErrors)
	if len(errors) == 0 {
		return nil
	}
	return &delivery.Trouble{
		Severity: mapping.Warning,
		Summary: fmt.Sprintf("%s: expressions of rules had errors, and defaults took their place (%s): the log says which; mend the rules, and try them with 'pdagentd explain'",
			s.name, names(errors)),
		Details: map[string]any{"errors": errors, "since_start": s.node.RuleErrors},
	}
}

func (s *sight) staleRules() *delivery.Trouble {
	if s.node.StaleRules == "" {
		return nil
	}
	return &delivery.Trouble{
		Severity: mapping.Warning,
		Summary:  fmt.Sprintf("%s: the rules on disk have a fault, and those before them are in use: 'pdagentd check' says where", s.name),
		Details:  map[string]any{"fault": s.node.StaleRules},
	}
}

func (s *sight) backlog() *delivery.Trouble {
	late, details := map[string]int{}, map[string]any{"limit": s.config.Backlog.String()}
	for route, oldest := range s.record.Oldest {
		if age := s.now.Sub(oldest); age > s.config.Backlog {
			late[route] = int(age.Seconds())
			details[route] = age.Round(time.Second).String()
		}
	}
	if len(late) == 0 {
		return nil
	}
	return &delivery.Trouble{
		Severity: mapping.Error,
		Summary: fmt.Sprintf("deliveries have waited for more than %s on %s: is PagerDuty reached, or is more sent than it takes? 'pdagentd queue list --route %s' says what they wait for",
			s.config.Backlog, names(late), ranked(late)[0]),
		Details: details,
	}
}

func (s *sight) dead() *delivery.Trouble {
	if len(s.record.Dead) == 0 {
		return nil
	}
	dead, details := map[string]int{}, map[string]any{}
	for _, d := range s.record.Dead {
		dead[d.Route] = d.Count
		details[d.Route] = map[string]any{"deliveries": d.Count, "last_error": d.Error}
	}
	return &delivery.Trouble{
		Severity: mapping.Error,
		Summary: fmt.Sprintf("deliveries were given up (%d in the last %s), on %s: 'pdagentd queue list --state dead' says why; mend it, and have them sent with 'pdagentd queue retry'",
			sum(dead), Recent, names(dead)),
		Details: details,
	}
}

// grown is by how much counts have, where they have.
func grown(before, after map[string]int) map[string]int {
	more := map[string]int{}
	for name, n := range after {
		if n > before[name] {
			more[name] = n - before[name]
		}
	}
	return more
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// ranked are the names of counts, that of the largest first.
func ranked(counts map[string]int) []string {
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), strings.Compare(a, b))
	})
}

// names are those of the largest counts, in words.
func names(counts map[string]int) string {
	const most = 3
	list := ranked(counts)
	if len(list) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
	}
	return strings.Join(list, ", ")
}
