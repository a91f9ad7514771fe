package mapping

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// Tables are the tables of a set of rules. Its methods may be called from any
// goroutine, while rules look up.
type Tables struct {
	tables  map[string]*table
	queries []Query
}

// Query is a table whose rows come from a database.
type Query struct {
	Table string
	Place Place
	SQL   string
	Every time.Duration // at least a second

	// Where the database is: its URL, a file that holds it, or the name of a
	// variable of the environment. All empty: that of the history.
	URL             ingest.Secret
	URLFile, URLEnv string
}

// Tables returns the tables of the rules.
func (rs *Rules) Tables() *Tables { return rs.tables }

// Queries returns the tables whose rows must be given by Replace, in the order
// of the files. Until then they have none, and lookup finds nothing.
func (t *Tables) Queries() []Query { return slices.Clone(t.queries) }

// Replace gives a table other rows, all at once: what looks up at that moment
// sees either the old ones or the new ones. Each row has a value for each
// column; an empty one is nil in rules. It keeps none of its arguments. The
// old rows stay where the table's key is not among the columns. Any other
// error is about rows that are left out, while the rest is used.
func (t *Tables) Replace(name string, columns []string, values [][]string) error {
	table := t.tables[name]
	if table == nil {
		return fmt.Errorf("table %s: the rules have no such table%s", name, DidYouMean(name, names(t.tables)))
	}
	key := slices.Index(columns, table.key)
	if key < 0 {
		return fmt.Errorf("table %s: its rows have no column %s, which is its key%s", name, table.key, DidYouMean(table.key, columns))
	}
	columns = slices.Clone(columns)
	rows, faults := newRows(table.match, key, columns, func(i int) []string { return values[i] }, len(values))
	table.rows.Store(rows)
	return rowsLeftOut(name, faults)
}

// rowsLeftOut names the first few rows that are left out.
func rowsLeftOut(name string, faults []rowFault) error {
	var errs []error
	for i, f := range faults {
		if i == 3 {
			errs = append(errs, fmt.Errorf("table %s: %d more rows are left out", name, len(faults)-i))
			break
		}
		errs = append(errs, fmt.Errorf("table %s: row %d is left out: %s", name, f.row+1, f.message))
	}
	return errors.Join(errs...)
}

// Inherit takes the rows of those queries that before has too, word for word,
// so that a reload of the rules does not empty their tables.
func (t *Tables) Inherit(before *Tables) {
	for _, q := range t.queries {
		table, old := t.tables[q.Table], before.tables[q.Table]
		if old != nil && old.sql == table.sql && old.key == table.key && old.match == table.match {
			table.rows.CompareAndSwap(nil, old.rows.Load())
		}
	}
}

// compileTables makes the tables, and lets expressions look in them.
func (c *ruleCompiler) compileTables(specs []TableSpec) *Tables {
	t := &Tables{tables: map[string]*table{}}
	c.tables, c.columns = t.tables, map[string][]string{}
	for i := range specs {
		s := &specs[i]
		if before, ok := t.tables[s.Name.Value]; ok {
			c.fault(s.Name.Place, `there is another table "`+before.name+`"`)
			continue
		}
		t.tables[s.Name.Value] = c.table(s)
		if s.Query.Value != "" {
			t.queries = append(t.queries, Query{
				Table: s.Name.Value, Place: s.Place, SQL: s.Query.Value, Every: s.Every,
				URL: s.URL, URLFile: s.URLFile, URLEnv: s.URLEnv,
			})
		}
	}
	return t
}

func (c *ruleCompiler) table(s *TableSpec) *table {
	t := &table{name: s.Name.Value, key: s.Key.Value, match: s.Match.Value, sql: s.Query.Value}
	switch t.match {
	case "":
		t.match = "exact"
	case "exact", "cidr", "regex":
	default:
		c.fault(s.Match.Place, `unknown match "`+t.match+`"`+suggestion(t.match, []string{"exact", "cidr", "regex"}))
	}
	if s.Columns == nil {
		return t
	}
	columns := c.tableColumns(s)
	key := slices.Index(columns, t.key)
	if key < 0 {
		if t.key != "" && len(columns) > 0 {
			c.fault(s.Key.Place, `table "`+t.name+`" has no column "`+t.key+`"`+suggestion(t.key, columns))
		}
		return t
	}
	rows, faults := newRows(t.match, key, columns, func(i int) []string { return s.Rows[i].Cells }, len(s.Rows))
	for _, f := range faults {
		c.fault(s.Rows[f.row].Place, f.message)
	}
	t.rows.Store(rows)
	return t
}

// tableColumns checks the names of a table's columns and makes them known.
func (c *ruleCompiler) tableColumns(s *TableSpec) (columns []string) {
	for _, t := range s.Columns {
		name := clean(t.Value)
		if contains(columns, name) {
			c.fault(t.Place, `column "`+name+`" is given twice`)
		}
		columns = append(columns, name)
	}
	c.columns[s.Name.Value] = columns
	return columns
}
