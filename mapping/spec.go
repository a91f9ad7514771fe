package mapping

import (
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// Spec is a set of rules as its author wrote it, before it is compiled. It is
// what a rule file says, without its syntax.
type Spec struct {
	Tables      []TableSpec
	Enrich      []Assignment // evaluated for every message that reaches a rule that uses one of them
	Defaults    []Entry      // defaults.event
	Mask        []MaskSpec
	Maintenance []WindowSpec
	Storm       *LimitSpec // nil: the default
	Flapping    *LimitSpec // nil: the default
	Rules       []RuleSpec // in the order in which they are tried

	Raw          bool     // the stored message is not masked
	Routes       []string // the names that a route may have; nil: they are not known, and not checked
	Destinations []string // the same of webhooks' destinations
	Files        []string // that the rules were read from
}

// TableSpec is a table for lookup. Its rows are those of a file, or come
// later: see Tables.
type TableSpec struct {
	Name    Text
	Place   Place
	Key     Text   // the column that is looked up
	Match   Text   // exact, cidr or regex; empty Value: exact
	Columns []Text // names; nil where the rows come later
	Rows    []RowSpec

	Query Text          // SQL; empty Value: the rows are those of a file
	Every time.Duration // how often the query is run

	// Where the database is: its URL, a file that holds it, or the name of a
	// variable of the environment. All empty: that of the history.
	URL             ingest.Secret
	URLFile, URLEnv string
}

// RowSpec is a row of a table, with a cell for each column.
type RowSpec struct {
	Place Place
	Cells []string
}

// MaskSpec is one mask: of those that are built in, or a pattern.
type MaskSpec struct {
	Name    Text // empty Value: Pattern is given
	Pattern Text
	Replace Text // with what; empty Place: ***
}

// WindowSpec is a maintenance window.
type WindowSpec struct {
	Place    Place
	Name     Text
	When     []Text // expressions; one must be true. nil: all messages are meant
	Every    []Text // "Sun 02:00-04:00 Europe/London"
	From, To Text   // times; empty Value: not given
}

// LimitSpec is a number of things in a time.
type LimitSpec struct {
	Place  Place
	Off    bool
	Count  int           // 0: the default
	Within time.Duration // 0: the default
	Quiet  time.Duration // of flapping; 0: the default
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

	Threshold    *LimitSpec
	Hold         time.Duration
	Repeat       time.Duration
	ResolveAfter time.Duration
	UnlessOpen   Text       // a template; empty Value: there is no parent
	Storm        *LimitSpec // nil: that of the rule set
	Flapping     *LimitSpec // nil: that of the rule set

	Event    []Entry
	HasEvent bool // the rule has an event, even if it is empty
	Drop     bool
	Suppress bool
	Continue bool

	Tests []TestSpec
}

// TestSpec is a test that a rule file holds.
type TestSpec struct {
	Place Place
	Rule  string // the id of the rule that it stands under
	Name  string
	Steps []StepSpec
}

// StepSpec is one step of a test: a message, an expectation, or both.
type StepSpec struct {
	Place Place
	After time.Duration // since the step before
	Times int           // how often the message comes; at least 1

	Kind    Selector // of the message; empty: there is none
	Message Text     // the trap's name or OID, the syslog line as it comes from the wire, or the path
	From    Text     // the address that it comes from; empty Value: 192.0.2.1
	Host    Text     // the name that it gives itself
	VB      []Entry  // varbinds by name and instance, or OID
	Headers []Entry  // by name
	Body    *Value

	Expect *Value // none, an event, or a list of events; nil: anything may come
}

// Selector is the kind of message that a rule looks at.
type Selector string

// The selectors, named like the key that gives them.
const (
	SelectTrap    Selector = "trap"
	SelectSyslog  Selector = "syslog"
	SelectHTTP    Selector = "http"
	SelectWebhook Selector = "webhook"
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

// Extraction takes a text apart: by the first pattern that fits, or by its
// format.
type Extraction struct {
	From     Text   // an expression; empty Value: message
	Patterns []Text // grok or RE2, or both mixed

	Format    Format // empty: by Patterns
	Place     Place  // of the format
	Separator Text   // between pairs, or between values of csv; empty Value: the default
	Equals    Text   // between key and value; empty Value: the default
	Columns   []Text // the names of the values of csv
}

// Format is a format that extract knows. What it finds is named like it.
type Format string

// The formats.
const (
	FormatKV   Format = "kv"
	FormatJSON Format = "json"
	FormatCSV  Format = "csv"
)

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
