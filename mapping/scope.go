package mapping

import (
	"net/netip"
	"strconv"

	"github.com/expr-lang/expr/vm"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// scope is what the rules know of one message while they look at it. It is
// reused from message to message; nothing in it outlives Apply.
type scope struct {
	rules *Rules
	m     *ingest.Message
	out   *Result
	rule  string         // whose errors are being counted
	env   map[string]any // names of expressions; those of the message come when they are first used
	vm    vm.VM

	named   []named // m's varbinds with their names; valid when hasNames
	hasName bool
	message []byte   // the message as JSON, once it was asked for; events share it
	made    int      // events that the message has made
	went    []int    // rules that have matched and say continue
	buf     []byte   // texts are put together in it
	json    []byte   // payloads are written into it
	posted  *posted  // the event that a program posted to one of PagerDuty's own paths
	webhook *webhook // the payload that is sent on, where it is one
	window  *Window  // the maintenance window that the message falls into; valid when looked
	looked  bool
	trace   *tracer // nil: nobody asks why
}

// named is a varbind with what the Namer says about it.
type named struct {
	*ingest.Varbind
	module, label, instance string // empty: not known
}

// begin readies s for a message.
func (s *scope) begin(rules *Rules, m *ingest.Message, out *Result) {
	s.rules, s.m, s.out = rules, m, out
	s.rule, s.hasName, s.message, s.made, s.posted = "", false, nil, 0, nil
	s.window, s.looked, s.went, s.trace = nil, false, s.went[:0], nil
}

// end lets go of the message.
func (s *scope) end() {
	s.m, s.out, s.message, s.posted, s.webhook, s.window = nil, nil, nil, nil, nil, nil
	clear(s.env)
	clear(s.named)
	clear(s.vm.Stack[:cap(s.vm.Stack)])
}

// fail counts an error of a rule.
func (s *scope) fail(err error) {
	s.out.Errors = append(s.out.Errors, RuleError{Rule: s.rule, Err: err})
}

// failAs counts an error of what stands outside of rules.
func (s *scope) failAs(what string, err error) {
	s.out.Errors = append(s.out.Errors, RuleError{Rule: what, Err: err})
}

// failIn counts an error of a rule's event, or of the defaults.
func (s *scope) failIn(b *blueprint, err error) {
	if b == &s.rules.defaults {
		s.failAs("defaults", err)
		return
	}
	s.fail(err)
}

// roots are the names that every expression may use, and how a message gives
// them.
func roots() map[string]func(*scope) any {
	return map[string]func(*scope) any{
		"source":      func(s *scope) any { return s.m.Origin() },
		"ip":          func(s *scope) any { return address(s.m.Source) },
		"protocol":    func(s *scope) any { return string(s.m.Protocol) },
		"message":     func(s *scope) any { return s.text() },
		"received_at": func(s *scope) any { return s.m.ReceivedAt.UTC() },
		"index":       func(s *scope) any { return s.index() },
		"trap":        (*scope).trap,
		"vb":          (*scope).varbinds,
		"vb_raw":      (*scope).rawVarbinds,
		"syslog":      (*scope).syslog,
		"body":        (*scope).body,
		"headers":     (*scope).headers,
		"path":        (*scope).path,
	}
}

// fields are the names under trap and syslog.
func fields() map[string]map[string]func(*scope) any {
	return map[string]map[string]func(*scope) any{
		"trap": {
			"name":       ofTrap(func(s *scope, _ *ingest.Trap) any { return some(s.trapName()) }),
			"oid":        ofTrap(func(_ *scope, t *ingest.Trap) any { return some(t.OID) }),
			"enterprise": ofTrap(func(_ *scope, t *ingest.Trap) any { return some(t.Enterprise) }),
			"community":  ofTrap(func(_ *scope, t *ingest.Trap) any { return t.Community.Reveal() }),
			"version":    ofTrap(func(_ *scope, t *ingest.Trap) any { return t.Version }),
			"uptime":     ofTrap(func(_ *scope, t *ingest.Trap) any { return int64(t.Uptime) }),
		},
		"syslog": {
			"facility":        ofLine(func(l *ingest.Line) any { return keyword(facilities(), l.Facility) }),
			"facility_code":   ofLine(func(l *ingest.Line) any { return code(l.Facility) }),
			"severity":        ofLine(func(l *ingest.Line) any { return keyword(syslogSeverities(), l.Severity) }),
			"severity_code":   ofLine(func(l *ingest.Line) any { return code(l.Severity) }),
			"hostname":        ofLine(func(l *ingest.Line) any { return some(l.Hostname) }),
			"app_name":        ofLine(func(l *ingest.Line) any { return some(l.AppName) }),
			"proc_id":         ofLine(func(l *ingest.Line) any { return some(l.ProcID) }),
			"msg_id":          ofLine(func(l *ingest.Line) any { return some(l.MsgID) }),
			"mnemonic":        ofLine(func(l *ingest.Line) any { return some(l.Mnemonic) }),
			"structured_data": ofLine(structured),
			"timestamp":       ofLine(sent),
		},
	}
}

func ofTrap(get func(*scope, *ingest.Trap) any) func(*scope) any {
	return func(s *scope) any {
		if s.m.Trap == nil {
			return nil
		}
		return get(s, s.m.Trap)
	}
}

func ofLine(get func(*ingest.Line) any) func(*scope) any {
	return func(s *scope) any {
		if s.m.Line == nil {
			return nil
		}
		return get(s.m.Line)
	}
}

// whole collects the fields of trap or syslog, without the community, so that
// it does not get into an event with the rest.
func (s *scope) whole(base string) any {
	all := map[string]any{}
	for name, get := range s.rules.fields[base] {
		if v := get(s); v != nil && name != "community" {
			all[name] = v
		}
	}
	return all
}

func (s *scope) trap() any {
	if s.m.Trap == nil {
		return nil
	}
	return s.whole("trap")
}

func (s *scope) syslog() any {
	if s.m.Line == nil {
		return nil
	}
	return s.whole("syslog")
}

func (s *scope) body() any {
	if s.m.Request == nil {
		return nil
	}
	return s.m.Request.Body
}

func (s *scope) headers() any {
	if s.m.Request == nil {
		return nil
	}
	return s.m.Request.Headers
}

func (s *scope) path() any {
	if s.m.Request == nil {
		return ""
	}
	return s.m.Request.Path
}

// text is the message proper: of a syslog line, or of a posted text.
func (s *scope) text() string {
	switch {
	case s.m.Line != nil:
		return s.m.Line.Text
	case s.m.Request != nil:
		body, _ := s.m.Request.Body.(string)
		return body
	}
	return ""
}

func structured(l *ingest.Line) any {
	if l.StructuredData == nil {
		return nil
	}
	return l.StructuredData
}

func sent(l *ingest.Line) any {
	if l.Timestamp.IsZero() {
		return nil
	}
	return l.Timestamp
}

func some(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func code(n int) any {
	if n < 0 {
		return nil
	}
	return n
}

// keyword returns the nth of a list of words; nil: there was none.
func keyword(words []string, n int) any {
	if n < 0 {
		return nil
	}
	if n >= len(words) {
		return strconv.Itoa(n)
	}
	return words[n]
}

// syslogSeverities are the keywords of RFC 5424 section 6.2.1 as syslog.conf
// writes them, from 0.
func syslogSeverities() []string {
	return []string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}
}

// facilities are the keywords of syslog facilities, from 0.
func facilities() []string {
	return []string{
		"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news",
		"uucp", "cron", "authpriv", "ftp", "ntp", "audit", "console", "clock",
		"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
	}
}

func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.Unmap().String()
}
