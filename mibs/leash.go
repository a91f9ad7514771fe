package mibs

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/golangsnmp/gomib"
)

// leash keeps gomib from running away. Its parser never comes to an end with
// some faulty modules (a name in lower case right before TEXTUAL-CONVENTION),
// and takes all memory within seconds. A goroutine cannot be stopped from
// outside; but the parser asks its logger for every token and definition
// whether it wants to hear of it. So the leash is a logger that counts how
// often it is asked, which is less often than a module has octets, and
// panics where that is too much, or where ctx is done.
//
// It is also the source of the modules, and so knows which one is parsed.
// gomib calls it from one goroutine.
type leash struct {
	ctx     context.Context
	sources []gomib.Source
	parsing string // the module that is parsed; empty when all are
	left    int    // how often it may still be asked while this one is
}

// Find returns a module from the first source that has it.
func (l *leash) Find(name string) (gomib.FindResult, error) {
	l.parsing, l.left = name, 0
	found, err := gomib.Multi(l.sources...).Find(name)
	l.left = 2*len(found.Content) + 10_000
	return found, err
}

// ListModules is not asked for: modules are read by their names.
func (l *leash) ListModules() ([]string, error) { return nil, nil }

// Enabled says that nobody wants to hear anything, until it panics.
func (l *leash) Enabled(context.Context, slog.Level) bool {
	if l.parsing != "" {
		l.left--
	}
	if l.left < 0 {
		panic("it would never come to an end")
	}
	if err := l.ctx.Err(); err != nil {
		panic(err)
	}
	return false
}

// Handle is never called.
func (l *leash) Handle(context.Context, slog.Record) error { return nil }

// WithAttrs learns that parsing is over from the name of the component that
// will log next.
func (l *leash) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		if a.Key == "component" && a.Value.String() == "resolver" {
			l.parsing = ""
		}
	}
	return l
}

// WithGroup changes nothing.
func (l *leash) WithGroup(string) slog.Handler { return l }

// fault is why gomib could not read modules.
type fault struct {
	module string // the one that it read; empty: it read them all by then
	cause  any    // what it panicked with
}

func (f *fault) Error() string { return fmt.Sprint(f.cause) }
