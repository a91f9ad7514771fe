package rulefile

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	yaml "go.yaml.in/yaml/v4"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// maxTable is the largest file that a table may have, in bytes.
const maxTable = 64 << 20

// defaultEvery is how often the query of a table is run.
const defaultEvery = 5 * time.Minute

// table reads a table and, where it has one, its file.
func (s *source) table(name mapping.Text, n *yaml.Node, spec *mapping.Spec) mapping.TableSpec {
	t := mapping.TableSpec{Name: name, Place: name.Place}
	var file, every mapping.Text
	k := keys{what: "a table", known: []string{"file", "key", "match", "query", "every", "url", "url_file", "url_env"}}
	s.each(n, k, func(key mapping.Text, value *yaml.Node) {
		text, ok := s.scalar(key, value)
		if !ok {
			return
		}
		switch key.Value {
		case "file":
			file = text
		case "key":
			t.Key = text
		case "match":
			t.Match = text
		case "query":
			t.Query = text
		case "every":
			every, t.Every = text, s.duration(key, value)
		default:
			s.address(&t, key, text)
		}
	})
	s.checkTable(&t, file, every)
	if t.Query.Value != "" && t.Every == 0 {
		t.Every = defaultEvery
	}
	if file.Value != "" && t.Query.Value == "" {
		s.rows(&t, file, spec)
	}
	return t
}

// checkTable finds keys that are missing or do not go together.
func (s *source) checkTable(t *mapping.TableSpec, file, every mapping.Text) {
	switch {
	case file.Value == "" && t.Query.Value == "":
		s.fault(t.Place, `table "`+t.Name.Value+`" needs a file (CSV) or a query (SQL)`)
	case file.Value != "" && t.Query.Value != "":
		s.fault(t.Query.Place, `table "`+t.Name.Value+`" has a file and a query: leave one of both out`)
	case file.Value != "" && every.Value != "":
		s.fault(every.Place, "every is for a query; a file is read again when it changes")
	case file.Value != "" && (t.URL != "" || t.URLFile != "" || t.URLEnv != ""):
		s.fault(t.Place, "url is for a query, not for a file")
	}
	if t.Key.Value == "" {
		s.fault(t.Place, `table "`+t.Name.Value+`" needs key: the name of the column that is looked up`)
	}
}

// address reads one of url, url_file and url_env: where the database of a
// query is. A fault does not show it, as it may hold a password.
func (s *source) address(t *mapping.TableSpec, key, text mapping.Text) {
	at := key.Place
	at.Column = 0
	if t.URL != "" || t.URLFile != "" || t.URLEnv != "" {
		s.fault(at, "give one of url, url_file and url_env")
	}
	switch key.Value {
	case "url_file":
		t.URLFile = text.Value
	case "url_env":
		t.URLEnv = text.Value
	default:
		t.URL = ingest.Secret(text.Value)
		if !strings.HasPrefix(text.Value, "postgres://") && !strings.HasPrefix(text.Value, "postgresql://") {
			s.fault(at, "url is the address of a Postgres database: postgres://user@host/database")
		}
	}
}

// rows reads a table's file: its first line names the columns.
func (s *source) rows(t *mapping.TableSpec, file mapping.Text, spec *mapping.Spec) {
	path := file.Value
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(s.name), path)
	}
	spec.Files = append(spec.Files, path)
	data, err := s.readFile(path)
	if err != nil {
		s.fault(file.Place, `table "`+t.Name.Value+`": `+whyUnreadable(path, err)+": a path is relative to the folder of the rule file")
		t.Columns = nil
		return
	}
	s.parseCSV(t, path, data)
}

// parseCSV reads columns and rows. A row that is too short or too long is a
// fault, as its values would stand under the wrong names.
func (s *source) parseCSV(t *mapping.TableSpec, path string, data []byte) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	r.Comment, r.TrimLeadingSpace, r.FieldsPerRecord = '#', true, -1
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		var pe *csv.ParseError
		if errors.As(err, &pe) {
			s.fault(mapping.Place{File: path, Line: pe.Line, Column: pe.Column}, pe.Err.Error())
			return
		}
		s.row(t, path, r, cells)
	}
	if t.Columns == nil {
		t.Columns = []mapping.Text{}
		s.fault(mapping.Place{File: path, Line: 1, Column: 1}, "the file is empty: its first line names the columns")
	}
}

func (s *source) row(t *mapping.TableSpec, path string, r *csv.Reader, cells []string) {
	at := func(i int) mapping.Place {
		line, column := r.FieldPos(i)
		return mapping.Place{File: path, Line: line, Column: column}
	}
	if t.Columns == nil {
		for i, c := range cells {
			t.Columns = append(t.Columns, mapping.Text{Value: strings.TrimSpace(c), Place: at(i)})
		}
		return
	}
	if len(cells) != len(t.Columns) {
		s.fault(at(0), "this row has "+plural(len(cells), "value")+", the first line names "+plural(len(t.Columns), "column"))
		return
	}
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	t.Rows = append(t.Rows, mapping.RowSpec{Place: at(0), Cells: cells})
}

// readFile reads a file of a table: one that is given, or one on disk.
func (s *source) readFile(path string) ([]byte, error) {
	for _, f := range s.given {
		if filepath.Clean(f.Name) == path {
			return f.Data, nil
		}
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no file that can be read as a whole")
	case info.Size() > maxTable:
		return nil, errors.New("it is larger than 64 MiB: use a query")
	}
	return os.ReadFile(path)
}
