package embedded

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// logPrefix is Postgres' log_line_prefix: the process and the SQLSTATE. With
// it a line reads "4711 F0001 FATAL:  lock file already exists".
const logPrefix = "%p %e "

// longestText bounds what is logged of a statement or a detail, in bytes.
const longestText = 1024

// longestLine bounds what is kept of a line whose end has not come, in bytes.
const longestLine = 64 << 10

// keptLines bounds how many of the last lines explain a death.
const keptLines = 3

// record is one report of Postgres: its message and what explains it.
type record struct {
	pid, sqlstate, severity, message string
	more                             []slog.Attr // detail, hint, context, statement…
}

// logWriter takes what a postmaster and its children write to standard error,
// and logs it. Each of them writes a report at once, so what comes in one
// Write and ends with a line's end is whole.
type logWriter struct {
	log *slog.Logger

	mu      sync.Mutex
	partial []byte
	current *record
	kept    []string
	held    bool // the last words were that another server holds the cluster
	ending  bool // it was told to end
}

// Write logs all whole reports in p.
func (w *logWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := append(w.partial, p...)
	for {
		line, rest, found := bytes.Cut(text, []byte{'\n'})
		if !found {
			break
		}
		w.take(string(line))
		text = rest
	}
	if len(text) > longestLine {
		w.take(string(text))
		text = nil
	}
	w.partial = bytes.Clone(text)
	if len(text) == 0 {
		w.flush()
	}
	return len(p), nil
}

// take adds a line to the current report, or begins the next.
func (w *logWriter) take(line string) {
	if text, ok := strings.CutPrefix(line, "\t"); ok && w.current != nil {
		w.current.continued(text)
		return
	}
	next := parseLine(line)
	if key, ok := explains(next.severity); ok && w.current != nil {
		w.current.more = append(w.current.more, slog.String(key, next.message))
		return
	}
	w.flush()
	w.current = &next
}

// continued appends a line to what r said last.
func (r *record) continued(text string) {
	if n := len(r.more); n > 0 {
		r.more[n-1].Value = slog.StringValue(r.more[n-1].Value.String() + "\n" + text)
		return
	}
	r.message += "\n" + text
}

func (w *logWriter) flush() {
	r := w.current
	if r == nil {
		return
	}
	w.current = nil
	level := r.level()
	if w.ending && r.sqlstate == "57P01" {
		level = slog.LevelDebug // each client that was cut off
	}
	if level > slog.LevelDebug {
		w.keep(r)
	}
	attrs := []slog.Attr{slog.String("postgres_pid", r.pid)}
	if r.sqlstate != "00000" && r.sqlstate != "" {
		attrs = append(attrs, slog.String("sqlstate", r.sqlstate))
	}
	for _, a := range r.more {
		attrs = append(attrs, slog.String(a.Key, shorten(a.Value.String())))
	}
	w.log.LogAttrs(context.Background(), level, "postgres: "+shorten(r.message), attrs...)
}

func (w *logWriter) keep(r *record) {
	text := r.message
	for _, a := range r.more {
		if a.Key == "hint" || a.Key == "detail" {
			text += " (" + a.Value.String() + ")"
		}
	}
	w.kept = append(w.kept, shorten(text))
	w.kept = w.kept[max(0, len(w.kept)-keptLines):]
	w.held = r.sqlstate == "F0001"
}

func shorten(s string) string {
	if len(s) <= longestText {
		return s
	}
	return strings.ToValidUTF8(s[:longestText], "") + "…"
}

// last returns the last that was said above the level of debugging.
func (w *logWriter) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.kept, "; ")
}

// lockHeld reports whether the last words were lock_file_exists: another
// postmaster, or backends of a dead one, hold the cluster.
func (w *logWriter) lockHeld() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.held
}

// expectEnd makes the end of clients no news.
func (w *logWriter) expectEnd() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ending = true
}

// parseLine reads what logPrefix makes. A line that is not of that form, such
// as the dynamic linker's, is a message alone.
func parseLine(line string) record {
	pid, rest, _ := strings.Cut(line, " ")
	sqlstate, rest, _ := strings.Cut(rest, " ")
	severity, message, ok := strings.Cut(rest, ":  ")
	if !ok || len(sqlstate) != 5 {
		return record{message: line}
	}
	return record{pid: pid, sqlstate: sqlstate, severity: severity, message: message}
}

// explains reports whether a line of that severity belongs to the report
// before it, and by what key.
func explains(severity string) (key string, ok bool) {
	switch severity {
	case "DETAIL", "HINT", "CONTEXT", "STATEMENT", "QUERY", "LOCATION", "BACKTRACE":
		return strings.ToLower(severity), true
	}
	return "", false
}

// level is who should read r. An error of a statement was told to whoever
// made it; here it is a warning.
func (r *record) level() slog.Level {
	switch r.severity {
	case "LOG":
		if strings.HasPrefix(r.sqlstate, "08") { // connection_exception: a client left without a word, as ours do when they stop
			return slog.LevelDebug
		}
		return logLevel(r.message)
	case "WARNING", "ERROR":
		return slog.LevelWarn
	case "FATAL":
		switch {
		case r.sqlstate == "57P03", strings.HasPrefix(r.sqlstate, "08"): // cannot_connect_now: it starts or stops; a client left
			return slog.LevelDebug
		case strings.HasPrefix(r.sqlstate, "28"), r.sqlstate == "3D000": // who connects gave a wrong name
			return slog.LevelWarn
		}
		return slog.LevelError
	case "PANIC":
		return slog.LevelError
	case "INFO", "NOTICE", "":
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// logLevel sorts Postgres' LOG, which holds both routine and disaster.
func logLevel(message string) slog.Level {
	has := func(part string) bool { return strings.Contains(message, part) }
	switch {
	case slices.ContainsFunc([]string{
		"was terminated by", "was interrupted", "not properly shut down",
		"could not ", "all server processes terminated",
	}, has):
		return slog.LevelWarn
	case slices.ContainsFunc([]string{
		"starting PostgreSQL", "listening on", "database system was shut down", "database system is shut down",
		"shutting down", "shutdown request", "aborting any active", "checkpoint starting", "checkpoint complete",
		"background worker \"logical", "invalid record length at", "redo done",
	}, has):
		return slog.LevelDebug
	}
	return slog.LevelInfo
}
