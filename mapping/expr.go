package mapping

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// maxNodes bounds the size of an expression. Together with the functions that
// are left out (everything that loops, and ranges) it bounds its run time.
const maxNodes = 300

// maxExpression bounds its text, in bytes, before it is parsed.
const maxExpression = 8 << 10

// expression is a compiled expression.
type expression struct {
	text    Text
	program *vm.Program
	needs   []need   // what it names that the message gives
	names   []string // what else it names: what extract and set give, sorted
}

// need is a name that an expression uses and how a message gives it.
type need struct {
	key string // in the environment
	get func(*scope) any
}

// run evaluates e. Names that enrich, extract and set give must be in the
// scope's environment already.
func (e *expression) run(s *scope) (any, error) {
	for _, n := range e.needs {
		if _, ok := s.env[n.key]; !ok {
			s.env[n.key] = n.get(s)
		}
	}
	v, err := s.vm.Run(e.program, s.env)
	if err != nil {
		return nil, e.explain(err)
	}
	return v, nil
}

// explain gives an error of the expression its place in the rule file.
func (e *expression) explain(err error) error {
	var f *file.Error
	if !errors.As(err, &f) {
		return Fault{Place: e.text.Place, Message: err.Error()}
	}
	message, _, _ := strings.Cut(f.Message, "\n")
	switch {
	case strings.Contains(e.text.Value, "community"):
		message = "the expression went wrong (its values are not shown, as it reads the community)"
	case strings.HasPrefix(message, "interface conversion: "):
		is, not, _ := strings.Cut(message, ", not ")
		_, is, _ = strings.Cut(is, " is ")
		message = "this is " + is + " where " + not + " is needed"
	}
	return Fault{Place: e.text.At(f.From), Message: message}
}

// exprCompiler compiles expressions. It is not for concurrent use.
type exprCompiler struct {
	config *conf.Config
	roots  map[string]func(*scope) any
	fields map[string]map[string]func(*scope) any // of trap and syslog
	warn   func(Place, string)

	namer   Namer
	tables  map[string]*table   // that lookup looks in
	columns map[string][]string // of those tables whose columns are known
	inText  bool                // the expression stands in a template
	asked   int                 // how many labels no module defines

	words map[string]map[int]string // of enumerations, by the labels that were compared
	texts map[string]bool           // names that extract gives texts, or members that are texts

	known  map[wording]*expression // those that are compiled, and not warned of: many rules use the same
	warned bool                    // of the expression that is being compiled
}

func newExprCompiler(namer Namer, warn func(Place, string)) *exprCompiler {
	c := &exprCompiler{config: conf.CreateNew(), roots: roots(), fields: fields(), namer: namer, words: map[string]map[int]string{}, known: map[wording]*expression{}}
	c.warn = func(p Place, message string) {
		c.warned = true
		warn(p, message)
	}
	for name := range c.config.Builtins {
		if !contains(builtins(), name) {
			c.config.Disabled[name] = true
		}
	}
	for _, f := range functions() {
		c.config.Functions[f.Name] = f
	}
	c.config.Functions["lookup"] = function("lookup", func(a ...any) (any, error) {
		return c.tables[text(a[0])].find(a[1]), nil
	}, func(string, any) any { return nil })
	for name := range c.config.Disabled {
		delete(c.config.Builtins, name)
	}
	c.config.WithEnv(map[string]any{
		"source": "", "ip": "", "protocol": "", "message": "", "index": "", "path": "", "received_at": time.Time{},
	})
	c.config.Strict = false // names are checked by rewrite, which knows where they come from
	c.config.Optimize = false
	c.config.MaxNodes = maxNodes
	return c
}

// builtins are the functions of the expression language that are let in: none
// loops over a predicate, makes long results of short ones, or reads a clock.
func builtins() []string {
	return []string{
		"len", "type", "int", "float", "abs", "ceil", "floor", "round", "min", "max",
		"trim", "trimPrefix", "trimSuffix", "lower", "upper", "split", "splitAfter", "indexOf", "lastIndexOf",
		"hasPrefix", "hasSuffix", "first", "last", "keys", "values", "fromJSON", "toBase64", "fromBase64",
		"bitand", "bitor", "bitxor", "bitnand", "bitshl", "bitshr", "bitushr", "bitnot",
	}
}

// compile compiles an expression that may use the names that local holds
// besides those of the message. want is reflect.Bool for conditions, else
// reflect.Invalid.
func (c *exprCompiler) compile(t Text, local []string, want reflect.Kind) (*expression, Faults) {
	if strings.TrimSpace(t.Value) == "" {
		return nil, Faults{{Place: t.Place, Message: "the expression is empty"}}
	}
	if len(t.Value) > maxExpression {
		return nil, Faults{{Place: t.Place, Message: "the expression is too long: split it with set"}}
	}
	key := wording{t.Value, c.kinds(local), want}
	if known := c.known[key]; known != nil {
		e := *known
		e.text = t
		return &e, nil
	}
	e, faults := c.compileNew(t, local, want)
	if e != nil && !c.warned {
		c.known[key] = e
	}
	c.warned = false
	return e, faults
}

// wording is what makes expressions the same wherever they stand.
type wording struct {
	text, local string
	want        reflect.Kind
}

// kinds writes names down, and which of them are texts.
func (c *exprCompiler) kinds(local []string) string {
	var b strings.Builder
	for _, name := range local {
		b.WriteString(name)
		b.WriteByte(' ')
		if c.texts[name] {
			b.WriteByte('"')
		}
	}
	return b.String()
}

func (c *exprCompiler) compileNew(t Text, local []string, want reflect.Kind) (*expression, Faults) {
	c.config.Expect, c.config.ExpectAny = want, want != reflect.Invalid
	for _, name := range local { // a name of the rule's hides the function of that name
		if hidden, ok := c.config.Builtins[name]; ok {
			delete(c.config.Builtins, name)
			defer func() { c.config.Builtins[name] = hidden }()
		}
	}
	tree, err := parser.ParseWithConfig(t.Value, c.config)
	if err != nil {
		return nil, t.fault(err)
	}
	w := &rewriter{exprCompiler: c, text: t, local: local, bare: map[*ast.IdentifierNode]bool{}, needs: map[string]func(*scope) any{}}
	ast.Walk(&tree.Node, w)
	w.resolve()
	if len(w.faults) > 0 {
		return nil, w.faults
	}
	if _, err := checker.Check(tree, c.config); err != nil {
		return nil, t.fault(err)
	}
	program, err := compiler.Compile(tree, c.config)
	if err != nil {
		return nil, t.fault(err)
	}
	e := &expression{text: t, program: program}
	for _, key := range slices.Sorted(maps.Keys(w.needs)) {
		e.needs = append(e.needs, need{key, w.needs[key]})
	}
	e.names = w.used
	return e, nil
}

// fault gives an error of the expression language its place.
func (t Text) fault(err error) Faults {
	var f *file.Error
	if !errors.As(err, &f) {
		return Faults{{Place: t.Place, Message: err.Error()}}
	}
	message, _, _ := strings.Cut(f.Message, "\n")
	if offset, mend := mistaken(t.Value); mend != "" {
		return Faults{{Place: t.At(offset), Message: mend}}
	}
	switch {
	case strings.Contains(message, "exceeds maximum allowed nodes"):
		message = "the expression is too long: split it with set"
	case strings.HasPrefix(message, "unexpected token EOF"):
		message = "the expression ends too early"
	}
	return Faults{{Place: t.At(f.From), Message: message}}
}

// function makes a function known to expressions; types are those that it is
// called with.
func function(name string, call func(...any) (any, error), types ...any) *builtin.Function {
	f := &builtin.Function{Name: name, Func: call}
	for _, t := range types {
		f.Types = append(f.Types, reflect.TypeOf(t))
	}
	return f
}
