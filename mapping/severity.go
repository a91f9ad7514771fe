package mapping

import "strings"

// SeverityOf returns the severity that a word stands for, in any case; ok is
// false, and the severity Warning, for a word that is not known.
func SeverityOf(word string) (s Severity, ok bool) {
	switch strings.ToLower(strings.TrimSpace(word)) {
	case "critical", "crit", "page", "p1", "sev1", "emerg", "emergency", "panic", "alert", "fatal", "disaster", "down", "blocker":
		return Critical, true
	case "error", "err", "p2", "sev2", "major", "high", "severe", "unreachable":
		return Error, true
	case "warning", "warn", "p3", "sev3", "minor", "average", "medium", "moderate", "degraded", "unknown":
		return Warning, true
	case "info", "informational", "information", "notice", "debug", "trace", "p4", "p5", "sev4", "sev5",
		"low", "ok", "normal", "up", "none", "cleared", "clear", "indeterminate", "trivial", "ticket":
		return Info, true
	}
	return Warning, false
}

// severityWords are the words that a misspelt severity may mean.
func severityWords() []string {
	return []string{
		"critical", "error", "warning", "info", "page", "major", "minor", "high", "low",
		"emergency", "alert", "notice", "debug", "fatal", "disaster", "average", "informational",
	}
}

// ofSyslog returns the severity of RFC 5424 section 6.2.1 in PagerDuty's
// words; Warning where the line had none.
func ofSyslog(severity int) Severity {
	switch severity {
	case 0, 1, 2:
		return Critical
	case 3:
		return Error
	case 5, 6, 7:
		return Info
	}
	return Warning
}

// rung is one step of a severity ladder.
type rung struct {
	severity Severity
	when     *expression
}
