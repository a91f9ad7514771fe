package mapping

import (
	"maps"
	"slices"
	"strconv"
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
	w.number(name, word)
	id, ok := name.(*ast.IdentifierNode)
	if !ok || slices.Contains(w.local, id.Value) {
		return
	}
	if label, isVarbind := strings.CutPrefix(id.Value, "vb."); isVarbind {
		w.enumeration(label, word)
		return
	}
	text, isText := word.(*ast.StringNode)
	if !isText {
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
	if words == nil || slices.Contains(words, text.Value) {
		return
	}
	w.warn(w.place(word), id.Value+` is never "`+text.Value+`"`+suggestion(text.Value, words))
}

// number warns of a number that a text is compared with.
func (w *rewriter) number(name, with ast.Node) {
	switch with.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		if text := w.textual(name); text != "" {
			w.warn(w.place(with), text+" is a text, and never a number: write int("+text+")")
		}
	}
}

// textual returns how a value is written that is always a text; empty: it may
// be something else.
func (w *rewriter) textual(n ast.Node) string {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		if w.texts[n.Value] && slices.Contains(w.local, n.Value) || n.Value == "syslog.proc_id" || n.Value == "syslog.msg_id" {
			return n.Value
		}
	case *ast.CallNode: // get(base, member)
		if len(n.Arguments) != 2 {
			return ""
		}
		member, isText := n.Arguments[1].(*ast.StringNode)
		base, isName := n.Arguments[0].(*ast.IdentifierNode)
		if isText && isName && (w.texts[base.Value] && slices.Contains(w.local, base.Value) || base.Value == "headers") {
			return base.Value + "." + member.Value
		}
	}
	return ""
}

// maxWord is the greatest number that is looked for among the words of an
// enumeration: IF-MIB's ifType knows some three hundred.
const maxWord = 1024

// enumeration warns of what the varbind of an enumeration is compared with and
// never is: its values are words.
func (w *rewriter) enumeration(label string, with ast.Node) {
	words := w.enumerated(label)
	if len(words) == 0 {
		return
	}
	switch v := with.(type) {
	case *ast.StringNode:
		if all := slices.Sorted(maps.Values(words)); !slices.Contains(all, v.Value) {
			w.warn(w.place(with), "vb."+label+` is never "`+v.Value+`"`+suggestion(v.Value, all))
		}
	case *ast.IntegerNode:
		if word, ok := words[v.Value]; ok {
			w.warn(w.place(with), "vb."+label+" is a word: "+strconv.Itoa(v.Value)+` is "`+word+`"`)
		}
	case *ast.BoolNode:
		w.warn(w.place(with), "vb."+label+` is a word: write "`+strconv.FormatBool(v.Value)+`" in quotes`)
	}
}

// enumerated returns the words of an object's enumeration by their numbers;
// none: it has none, or is not known.
func (w *rewriter) enumerated(label string) map[int]string {
	words, asked := w.words[label]
	if asked {
		return words
	}
	words = map[int]string{}
	if oid, err := w.namer.OID(label); err == nil {
		for n := range maxWord {
			word, ok := w.namer.Value(oid, int64(n)).(string)
			if ok && !isName(word[:min(1, len(word))]) { // a number by its DISPLAY-HINT
				clear(words)
				break
			}
			if ok {
				words[n] = word
			}
		}
	}
	w.words[label] = words
	return words
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
