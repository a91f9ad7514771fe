package mapping

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
)

// lookup checks lookup("table", key).
func (w *rewriter) lookup(n *ast.CallNode) {
	if len(n.Arguments) != 2 {
		w.fault(n, `lookup needs a table and a key: lookup("cmdb", source)`)
		return
	}
	name, ok := n.Arguments[0].(*ast.StringNode)
	switch {
	case !ok:
		w.fault(n.Arguments[0], `lookup needs the name of its table as a text in quotes: lookup("cmdb", source)`)
	case w.tables[name.Value] == nil:
		w.fault(name, `unknown table "`+name.Value+`"`+suggestion(name.Value, names(w.tables)))
	}
}

// column warns of a column that the table of a lookup does not have.
func (w *rewriter) column(n *ast.MemberNode, name string) {
	call, ok := n.Node.(*ast.CallNode)
	if !ok || len(call.Arguments) != 2 {
		return
	}
	callee, ok := call.Callee.(*ast.IdentifierNode)
	table, isText := call.Arguments[0].(*ast.StringNode)
	if !ok || !isText || callee.Value != "lookup" {
		return
	}
	if columns := w.columns[table.Value]; len(columns) > 0 && !slices.Contains(columns, name) {
		w.warn(w.place(n), `table "`+table.Value+`" has no column "`+name+`": it is always nil`+suggestion(name, columns))
	}
}

// comparison warns of a word that a name is compared with and never is.
func (w *rewriter) comparison(name, word ast.Node) {
	id, ok := name.(*ast.IdentifierNode)
	text, isText := word.(*ast.StringNode)
	if !ok || !isText {
		return
	}
	var words []string
	switch id.Value {
	case "syslog.severity":
		words = syslogSeverities()
	case "syslog.facility":
		words = facilities()
	case "protocol":
		words = []string{"snmp", "syslog", "http", "fetch"}
	}
	if words == nil || slices.Contains(words, text.Value) || slices.Contains(w.local, id.Value) {
		return
	}
	w.warn(w.place(word), id.Value+` is never "`+text.Value+`"`+suggestion(text.Value, words))
}

// mistaken finds what looks like an operator of another language in an
// expression that is none: where it stands, in characters, and what is meant.
func mistaken(expression string) (offset int, mend string) {
	quote := byte(0)
	for i := 0; i < len(expression); i++ {
		c := expression[i]
		switch rest := expression[i:]; {
		case quote != 0:
			if c == '\\' && quote != '`' {
				i++
			} else if c == quote {
				quote = 0
			}
			continue
		case c == '"' || c == '\'' || c == '`':
			quote = c
			continue
		case strings.HasPrefix(rest, "=="), strings.HasPrefix(rest, "!="), strings.HasPrefix(rest, "<="), strings.HasPrefix(rest, ">="):
			i++
			if strings.HasPrefix(rest, "===") {
				mend = `=== is no operator; did you mean "=="?`
			}
		case strings.HasPrefix(rest, "=~"):
			mend = `=~ is no operator; did you mean "matches"?`
		case strings.HasPrefix(rest, "!~"):
			mend = `!~ is no operator; did you mean "not (a matches b)"?`
		case strings.HasPrefix(rest, "<>"):
			mend = `<> is no operator; did you mean "!="?`
		case c == '=':
			mend = `= compares nothing; did you mean "=="?`
		default:
			mend = shouted(expression, i)
		}
		if mend != "" {
			return utf8.RuneCountInString(expression[:i]), mend
		}
	}
	return 0, ""
}

// shouted finds an operator that is a word, in upper case.
func shouted(expression string, at int) string {
	if at > 0 && isWord(expression[at-1]) {
		return ""
	}
	end := at
	for end < len(expression) && isWord(expression[end]) {
		end++
	}
	word := expression[at:end]
	for _, operator := range []string{"and", "or", "not", "in", "matches", "contains", "startsWith", "endsWith"} {
		if word != operator && strings.EqualFold(word, operator) {
			return word + ` is no operator; did you mean "` + operator + `"?`
		}
	}
	if word == "like" || word == "LIKE" {
		return word + ` is no operator; did you mean "contains", "startsWith" or "matches"?`
	}
	return ""
}
