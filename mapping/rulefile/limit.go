package rulefile

import (
	"regexp"
	"strconv"
	"time"

	yaml "go.yaml.in/yaml/v4"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// Bounds of what a rule may count and wait for.
const (
	maxCount = 1_000_000
	maxWait  = 90 * 24 * time.Hour
)

// threshold reads { count: 200, within: 1m }.
func (s *source) threshold(key mapping.Text, n *yaml.Node) *mapping.LimitSpec {
	l := s.limit(key, n, "count")
	switch {
	case l.Off:
		s.fault(s.place(n), "threshold is { count: 10, within: 1m }; leave the key out for none")
	case follow(n).Kind == yaml.MappingNode && (l.Count == 0 || l.Within == 0):
		s.fault(l.Place, "a threshold needs count and within: { count: 10, within: 1m }")
	}
	return l
}

func (s *source) storm(key mapping.Text, n *yaml.Node) *mapping.LimitSpec {
	return s.limit(key, n, "alerts")
}

func (s *source) flapping(key mapping.Text, n *yaml.Node) *mapping.LimitSpec {
	return s.limit(key, n, "changes", "quiet")
}

// limit reads a number of things in a time, or off.
func (s *source) limit(key mapping.Text, n *yaml.Node, count string, more ...string) *mapping.LimitSpec {
	n = follow(n)
	l := &mapping.LimitSpec{Place: key.Place}
	if n.Kind == yaml.ScalarNode && (n.Value == "off" || n.Value == "false") {
		l.Off = true
		return l
	}
	if n.Kind != yaml.MappingNode {
		s.fault(s.place(n), key.Value+" is a mapping: { "+count+": 10, within: 1m }")
		return l
	}
	known := append([]string{count, "within"}, more...)
	s.each(n, keys{what: key.Value, known: known}, func(key mapping.Text, value *yaml.Node) {
		switch key.Value {
		case count:
			l.Count = s.count(key, value)
		case "within":
			l.Within = s.duration(key, value)
		case "quiet":
			l.Quiet = s.duration(key, value)
		}
	})
	return l
}

// count reads a number that is at least 1.
func (s *source) count(key mapping.Text, n *yaml.Node) int {
	n = follow(n)
	i, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || i < 1 || i > maxCount {
		s.fault(s.place(n), key.Value+" is a whole number from 1 to 1000000")
		return 2
	}
	return i
}

// duration reads a time like 30s, 1h30m or 2d.
func (s *source) duration(key mapping.Text, n *yaml.Node) time.Duration {
	n = follow(n)
	d, ok := parseDuration(n.Value)
	switch _, err := strconv.ParseFloat(n.Value, 64); {
	case n.Kind != yaml.ScalarNode || isNull(n):
		s.fault(s.place(n), key.Value+" is a duration, like 30s, 10m or 1h")
	case !ok && err == nil:
		s.fault(s.place(n), key.Value+` is a duration with its unit; did you mean "`+n.Value+`s"?`)
	case !ok:
		s.fault(s.place(n), `"`+n.Value+`" is no duration, like 30s, 10m, 1h30m or 2d`)
	case d <= 0 || d > maxWait:
		s.fault(s.place(n), key.Value+" is longer than nothing and at most 90d")
	default:
		return d
	}
	return time.Hour
}

// parseDuration reads durations as package time writes them, with d for days
// before the rest.
func parseDuration(text string) (d time.Duration, ok bool) {
	m := regexp.MustCompile(`^(?:(\d{1,4})d)?(.*)$`).FindStringSubmatch(text)
	if m == nil || text == "" {
		return 0, false
	}
	days, _ := strconv.Atoi(m[1])
	d = time.Duration(days) * 24 * time.Hour
	if m[2] == "" {
		return d, m[1] != ""
	}
	rest, err := time.ParseDuration(m[2])
	return d + rest, err == nil
}
