package mapping

// Spec is a set of rules as its author wrote it, before it is compiled. It is
// what a rule file says, without its syntax.
type Spec struct {
	Enrich   []Assignment // evaluated for every message that reaches a rule that uses one of them
	Defaults []Entry      // defaults.event
	Rules    []RuleSpec   // in the order in which they are tried
}

// RuleSpec is one rule: one problem, from its opening to its end.
type RuleSpec struct {
	Place Place
	ID    Text

	Match       MatchSpec
	Acknowledge *MatchSpec // what it gives replaces what Match gives; nil: none
	Resolve     *MatchSpec

	Extract []Attempt // alternatives: the first that fits names its fields; none fits: the rule does not match
	Set     []Assignment

	Event    []Entry
	HasEvent bool // the rule has an event, even if it is empty
	Drop     bool
	Suppress bool
	Continue bool
}

// Selector is the kind of message that a rule looks at.
type Selector string

// The selectors, named like the key that gives them.
const (
	SelectTrap   Selector = "trap"
	SelectSyslog Selector = "syslog"
	SelectHTTP   Selector = "http"
)

// MatchSpec says which messages a rule takes. Lists are ORed, the rest is
// ANDed.
type MatchSpec struct {
	Place    Place
	Selector Selector // empty: none given
	Patterns []Text   // names, OIDs, paths or globs
	From     []Text   // CIDRs, addresses or host names
	Each     Text     // an expression; empty Value: none
	When     []Text   // expressions; never inherited
}

// Assignment gives a name to the value of an expression.
type Assignment struct {
	Name Text
	Expr Text
}

// Attempt is what must fit together for an extraction to succeed.
type Attempt []Extraction

// Extraction takes a text apart by the first pattern that fits.
type Extraction struct {
	From     Text   // an expression; empty Value: message
	Patterns []Text // grok or RE2, or both mixed
}

// Entry is a key and its value in a mapping, in the order of the file.
type Entry struct {
	Key   Text
	Value Value
}

// Value is a value of a rule file: a scalar, a list or a mapping. Strings are
// templates: they may hold ${expression}.
type Value struct {
	Kind   ValueKind
	Text   Text    // of a scalar as it is written; of a list or mapping only its place
	Scalar any     // nil, bool, int or float64, when Kind is Plain
	List   []Value // when Kind is List
	Map    []Entry // when Kind is Mapping
}

// ValueKind is the kind of a Value.
type ValueKind int

// The kinds of values.
const (
	Template ValueKind = iota // a string
	Plain                     // a number, a boolean or null
	List
	Mapping
)
