package syslog

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// sample is a line of the corpus, with what its source's own test expects.
type sample struct {
	Vendor   string
	Form     string
	Raw      string
	RawB64   []byte `json:"raw_b64"`
	Expected struct {
		Hostname  *string
		AppName   *string `json:"app_name"`
		ProcID    any     `json:"proc_id"`
		Timestamp *string
		Facility  *int
		Severity  *int
		MsgID     *string `json:"msg_id"`
		Message   *string
		Data      map[string]map[string]string `json:"structured_data"`
		EventCode any                          `json:"event_code"`
	}
}

func (s *sample) bytes() []byte {
	if s.RawB64 != nil {
		return s.RawB64
	}
	return []byte(s.Raw)
}

func corpus(tb testing.TB) []sample {
	tb.Helper()
	file, err := os.Open(filepath.FromSlash("../../../shared/corpus/syslog.jsonl"))
	if err != nil {
		tb.Skip("no corpus here")
	}
	defer func() { _ = file.Close() }()
	var samples []sample
	for in := json.NewDecoder(bufio.NewReader(file)); in.More(); {
		var s sample
		if err := in.Decode(&s); err != nil {
			tb.Fatal(err)
		}
		samples = append(samples, s)
	}
	return samples
}

// verdict says for each part of a line that a source has an opinion about
// whether we agree.
func (s *sample) verdict(line *ingest.Line) map[string]bool {
	agreed := map[string]bool{}
	if want := s.Expected.Hostname; want != nil {
		agreed["host"] = line.Hostname == strings.ReplaceAll(*want, "~H", "") // ~H: the receiver's own
	}
	if want := s.Expected.AppName; want != nil {
		agreed["app"] = *want == line.AppName || *want == line.Mnemonic
	}
	if want := s.Expected.ProcID; want != nil {
		agreed["pid"] = fmt.Sprint(want) == line.ProcID
	}
	if want := s.Expected.Facility; want != nil {
		agreed["facility"] = *want == line.Facility
	}
	if want := s.Expected.Severity; want != nil {
		agreed["severity"] = *want == line.Severity
	}
	if want := s.Expected.MsgID; want != nil {
		agreed["msgid"] = *want == line.MsgID
	}
	if want := s.Expected.Message; want != nil { // rsyslog's has the blank before it
		agreed["message"] = strings.TrimSpace(*want) == strings.TrimSpace(line.Text)
	}
	if want := s.Expected.Data; want != nil {
		agreed["data"] = cmp.Equal(want, line.StructuredData)
	}
	if code := s.Expected.EventCode; code != nil && s.isCisco() {
		agreed["mnemonic"] = strings.HasSuffix(line.Mnemonic, "-"+fmt.Sprint(code))
	}
	if want := s.Expected.Timestamp; want != nil {
		agreed["time"] = s.sameTime(*want, line.Timestamp)
	}
	return agreed
}

// isCisco reports whether an event code is a mnemonic's last part.
func (s *sample) isCisco() bool {
	return slices.Contains([]string{"cisco:asa", "cisco:ftd", "cisco:ios"}, s.Vendor)
}

// sameTime compares with what a source expects, whose idea of a zone and a year
// that the line does not have is its own.
func (s *sample) sameTime(want string, got time.Time) bool {
	if want == "~H" {
		return got.IsZero()
	}
	if t, err := time.Parse(time.Stamp, want); err == nil {
		return got.Format(time.Stamp) == t.Format(time.Stamp)
	}
	t, err := time.Parse(time.RFC3339Nano, want)
	if err != nil {
		return false
	}
	if got.Truncate(time.Millisecond).Equal(t.Truncate(time.Millisecond)) {
		return true
	}
	const wall = "01-02T15:04:05"
	if got.IsZero() || t.Year() != got.Year() && strings.Contains(s.Raw[:min(len(s.Raw), 40)], t.Format("2006")) {
		return false
	}
	beats := time.FixedZone("where its tests were run", -2*3600)
	return slices.Contains([]string{t.Format(wall), t.UTC().Format(wall), t.In(beats).Format(wall)}, got.Format(wall))
}

// floors is how many we agree on at least, by form and part. What is missing to
// all of them is what a source takes from the text rather than from the header
// (a program's PID, a host named in a list of values), or is its peculiarity:
// rsyslog's default of user.notice and its tags without a colon, Beats' passing
// over of timezone=, its idea that EST is summer time in July, names and zones
// that were made up by a generator.
func floors() map[string]map[string]int {
	return map[string]map[string]int{
		"body-only":       {"host": 2, "time": 426},
		"bsd-no-pri":      {"host": 99, "app": 34, "pid": 31, "time": 440, "mnemonic": 217},
		"cef-no-pri":      {"host": 3, "time": 28},
		"iso-no-pri":      {"host": 61, "app": 8, "pid": 3, "time": 302, "mnemonic": 55},
		"octet-counted":   {"time": 30},
		"pri+bsd-variant": {"host": 7, "app": 38, "time": 41, "facility": 42, "severity": 42, "message": 5},
		"pri+cisco-seq":   {"facility": 23, "severity": 23},
		"pri+iso":         {"host": 5, "time": 5, "facility": 22, "severity": 22},
		"pri+kv":          {"time": 71, "facility": 169, "severity": 169},
		"pri+other":       {"host": 48, "app": 22, "pid": 10, "time": 25, "facility": 135, "severity": 135, "message": 13, "data": 17},
		"pri+rfc3164":     {"host": 37, "app": 12, "pid": 3, "time": 37, "facility": 194, "severity": 194, "message": 14},
		"pri+rfc5424":     {"host": 9, "app": 6, "pid": 3, "time": 73, "facility": 229, "severity": 229, "message": 6, "data": 4},
	}
}

type score struct{ agreed, expected int }

// scores counts by vendor or form, and by part.
type scores map[string]map[string]score

func (s scores) add(name, part string, agreed bool) {
	if s[name] == nil {
		s[name] = map[string]score{}
	}
	sc := s[name][part]
	sc.expected++
	if agreed {
		sc.agreed++
	}
	s[name][part] = sc
}

func TestCorpusIsReadAsItsSourcesReadIt(t *testing.T) {
	p := NewParser(nil)
	now := time.Date(2026, time.November, 23, 0, 0, 0, 0, time.UTC)
	forms, vendors := scores{}, scores{}
	for i, s := range corpus(t) {
		holds(t, p.Parse, s.bytes(), now)
		var line ingest.Line
		p.Parse(s.bytes(), now, &line)
		for part, agreed := range s.verdict(&line) {
			forms.add(s.Form, part, agreed)
			forms.add("TOTAL", part, agreed)
			vendors.add(s.Vendor, part, agreed)
			if !agreed && testing.Verbose() {
				t.Logf("%d %s %s %s: %.150q: host %q, app %q, time %v", i, s.Form, s.Vendor, part, s.Raw, line.Hostname, line.AppName, line.Timestamp)
			}
		}
	}
	t.Logf("agreed/expected\n%s\n%s", forms.table("form"), vendors.table("vendor"))
	for form, parts := range floors() {
		for part, floor := range parts {
			if got := forms[form][part].agreed; got < floor {
				t.Errorf("%s: %s: agreed on %d, which were %d", form, part, got, floor)
			}
		}
	}
}

func (s scores) table(of string) string {
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	parts := []string{"host", "time", "app", "pid", "msgid", "facility", "severity", "mnemonic", "message", "data"}
	fmt.Fprintln(w, of+"\t"+strings.Join(parts, "\t"))
	for _, name := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprint(w, name)
		for _, part := range parts {
			if sc := s[name][part]; sc.expected > 0 {
				fmt.Fprintf(w, "\t%d/%d", sc.agreed, sc.expected)
			} else {
				fmt.Fprint(w, "\t")
			}
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush()
	return table.String()
}
