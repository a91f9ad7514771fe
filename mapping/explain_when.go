package mapping

import (
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/parser"
)

// clauses says which of the clauses of a condition, joined by and, are not
// true, and what the names in them stand for.
func (rs *Rules) clauses(s *scope, when *expression) (texts []string) {
	c := newExprCompiler(rs.namer, func(Place, string) {})
	c.tables = rs.tables.tables
	for _, clause := range conjuncts(when.program.Node()) {
		program, err := compiler.Compile(&parser.Tree{Node: clause, Source: when.program.Source()}, c.config)
		if err != nil {
			continue
		}
		v, err := s.vm.Run(program, s.env)
		if v == true {
			continue
		}
		what := "is not true"
		if err != nil {
			what = "has an error: " + when.explain(err).Error()
		}
		texts = append(texts, fmt.Sprintf("%s %s%s", source(when.text.Value, clause), what, s.values(c, clause)))
	}
	return texts
}

// conjuncts are the parts that all must be true.
func conjuncts(n ast.Node) []ast.Node {
	if b, ok := n.(*ast.BinaryNode); ok && (b.Operator == "and" || b.Operator == "&&") {
		return append(conjuncts(b.Left), conjuncts(b.Right)...)
	}
	return []ast.Node{n}
}

// source is the text of a node: from where its first part begins to the and
// that ends it.
func source(text string, n ast.Node) string {
	runes := []rune(text)
	from, to := len(runes), 0
	each(n, func(part ast.Node) {
		if at := part.Location(); at.To > at.From {
			from, to = min(from, at.From), max(to, at.To)
		}
	})
	if from >= to || to > len(runes) {
		return text
	}
	for from > 0 && (runes[from-1] == '.' || isName("_"+string(runes[from-1]))) { // a name begins where its last part does
		from--
	}
	shown := string(runes[from:to])
	for open := strings.Count(shown, "(") - strings.Count(shown, ")"); open > 0 && to < len(runes) && runes[to] == ')'; open-- {
		shown, to = shown+")", to+1
	}
	return shown
}

// values says what the names in a clause stand for.
func (s *scope) values(c *exprCompiler, clause ast.Node) string {
	var parts []string
	for _, n := range chains(clause, nil) {
		name := chain(n)
		if name == "" || strings.Contains(name, "community") {
			continue
		}
		program, err := compiler.Compile(&parser.Tree{Node: n}, c.config)
		if err != nil {
			continue
		}
		v, err := s.vm.Run(program, s.env)
		if part := name + " is " + show(v); err == nil && !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "; " + strings.Join(parts, ", ")
}

// chains returns the names in a node, and what is taken of them: a.b.c is one.
func chains(n ast.Node, all []ast.Node) []ast.Node {
	if chain(n) != "" {
		return append(all, n)
	}
	switch n := n.(type) {
	case *ast.UnaryNode:
		return chains(n.Node, all)
	case *ast.BinaryNode:
		return chains(n.Right, chains(n.Left, all))
	case *ast.ConditionalNode:
		return chains(n.Exp2, chains(n.Exp1, chains(n.Cond, all)))
	case *ast.CallNode:
		for _, a := range n.Arguments {
			all = chains(a, all)
		}
	case *ast.BuiltinNode:
		for _, a := range n.Arguments {
			all = chains(a, all)
		}
	}
	return all
}

// chain writes a.b.c, as the rewriter has left it; empty: n is something else.
func chain(n ast.Node) string {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return n.Value
	case *ast.CallNode:
		callee, ok := n.Callee.(*ast.IdentifierNode)
		if !ok || callee.Value != "get" || len(n.Arguments) != 2 {
			return ""
		}
		base := chain(n.Arguments[0])
		if base == "" {
			return ""
		}
		switch key := n.Arguments[1].(type) {
		case *ast.StringNode:
			return base + "." + key.Value
		case *ast.IntegerNode:
			return fmt.Sprintf("%s[%d]", base, key.Value)
		}
	}
	return ""
}

// visitor calls itself for each node.
type visitor func(ast.Node)

// Visit is ast.Visitor's.
func (f visitor) Visit(n *ast.Node) { f(*n) }

func each(n ast.Node, f func(ast.Node)) { ast.Walk(&n, visitor(f)) }
