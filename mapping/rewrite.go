package mapping

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// rewriter makes an expression safe and its names plain: a.b never errs,
// trap.oid, syslog.app_name and vb.label become names of their own that are
// only looked up when they are used, and what can run long is refused.
type rewriter struct {
	*exprCompiler
	text   Text
	local  []string
	bare   map[*ast.IdentifierNode]bool // identifiers that stand for a whole value
	needs  map[string]func(*scope) any
	used   []string // names of local that it uses
	faults Faults
}

// Visit is called for the children of a node before the node itself.
func (w *rewriter) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		w.bare[n] = true
	case *ast.MemberNode:
		if !n.Method {
			ast.Patch(node, w.member(n))
		}
	case *ast.CallNode:
		w.call(n)
	case *ast.BuiltinNode:
		if !contains(builtins(), n.Name) {
			w.fault(n, n.Name+"() is not allowed in a rule: it loops")
		}
	case *ast.BinaryNode:
		w.operator(n)
	case *ast.VariableDeclaratorNode:
		w.fault(n, "let is not allowed in a rule: use set")
	}
}

// member returns what takes the place of base.property.
func (w *rewriter) member(n *ast.MemberNode) ast.Node {
	base, isName := n.Node.(*ast.IdentifierNode)
	property, isText := n.Property.(*ast.StringNode)
	if isName && isText && !slices.Contains(w.local, base.Value) {
		if get := w.field(n, base.Value, property.Value); get != nil {
			delete(w.bare, base)
			key := base.Value + "." + property.Value
			w.needs[key] = get
			return &ast.IdentifierNode{Value: key}
		}
	}
	if isText {
		w.column(n, property.Value)
	}
	return &ast.CallNode{Callee: &ast.IdentifierNode{Value: "get"}, Arguments: []ast.Node{n.Node, n.Property}}
}

// field returns how a message gives base.name, where that is known without
// looking at base as a whole.
func (w *rewriter) field(place ast.Node, base, name string) func(*scope) any {
	switch base {
	case "vb":
		if n, err := strconv.Atoi(name); err == nil {
			return func(s *scope) any { return s.nth(n) }
		}
		w.label(place, name)
		return func(s *scope) any { return s.varbind(name) }
	case "vb_raw":
		return func(s *scope) any { return s.rawVarbind(name) }
	case "trap", "syslog":
		known := w.fields[base]
		if known[name] == nil {
			w.warn(w.place(place), `there is no `+base+`.`+name+`: it is always nil`+DidYouMean(name, names(known)))
			return func(*scope) any { return nil }
		}
		return known[name]
	}
	return nil
}

func (w *rewriter) call(n *ast.CallNode) {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		return
	}
	delete(w.bare, callee)
	switch {
	case callee.Value == "lookup":
		w.lookup(n)
	case w.config.Functions[callee.Value] != nil:
	case callee.Value == "now":
		w.fault(n, "now() is not allowed in a rule: use received_at")
	case callee.Value == "repeat" || callee.Value == "uniq" || callee.Value == "concat" || callee.Value == "flatten":
		w.fault(n, callee.Value+"() is not allowed in a rule: its result or its time may grow without bound")
	default:
		known := append(names(w.config.Functions), builtins()...)
		w.fault(n, `unknown function "`+callee.Value+`"`+DidYouMean(callee.Value, known))
	}
}

func (w *rewriter) operator(n *ast.BinaryNode) {
	switch n.Operator {
	case "<", "<=", ">", ">=":
		w.number(n.Left, n.Right)
		w.number(n.Right, n.Left)
	case "==", "!=":
		w.comparison(n.Left, n.Right)
		w.comparison(n.Right, n.Left)
	case "in":
		if list, ok := n.Right.(*ast.ArrayNode); ok {
			for _, item := range list.Nodes {
				w.comparison(n.Left, item)
			}
		}
	case "..":
		w.fault(n, "ranges are not allowed in a rule: compare with >= and <=")
	case "matches":
		pattern, ok := n.Right.(*ast.StringNode)
		if !ok {
			w.fault(n.Right, "matches needs its pattern as a text in quotes, so that it is compiled once")
			return
		}
		if _, err := regexp.Compile(pattern.Value); err != nil {
			w.fault(pattern, err.Error())
		}
	}
}

// resolve finds where the names that stand alone come from.
func (w *rewriter) resolve() {
	for n := range w.bare {
		if slices.Contains(w.local, n.Value) {
			w.used = append(w.used, n.Value)
			continue
		}
		if get := w.roots[n.Value]; get != nil {
			w.needs[n.Value] = get
			continue
		}
		if n.Value == "item" {
			w.fault(n, "item is only known in a rule whose match has an each")
			continue
		}
		w.fault(n, `unknown name "`+n.Value+`"`+w.suggest(n.Value))
	}
}

// suggest helps with a name that may be meant as one, or as a text.
func (w *rewriter) suggest(name string) string {
	if contains([]string{"null", "NULL", "Nil", "None", "none", "undefined"}, name) {
		return `; did you mean nil?`
	}
	if s := DidYouMean(name, append(slices.Clone(w.local), names(w.roots)...)); s != "" {
		return s
	}
	if w.inText && strings.TrimSpace(w.text.Value) == name {
		return ": neither the message gives it, nor enrich, nor extract or set of this rule"
	}
	return `; a text needs quotes inside: '"` + name + `"'`
}

func (w *rewriter) fault(n ast.Node, message string) {
	w.faults = append(w.faults, Fault{Place: w.place(n), Message: message})
}

func (w *rewriter) place(n ast.Node) Place { return w.text.At(n.Location().From) }

// names returns the keys of m, sorted.
func names[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
