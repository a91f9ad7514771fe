package mibs

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/golangsnmp/gomib"
	"github.com/golangsnmp/gomib/mib"
)

//go:embed smi/*.mib
var smi embed.FS

// readLimit is how long all modules of all folders may take to read: 1,460
// take about 4 s.
const readLimit = time.Minute

// Warning is what is wrong with a module, which does not keep the rest of it,
// or other modules, from being used.
type Warning struct {
	Module string // empty: not known
	File   string
	Line   int // 0: the file as a whole
	Text   string
}

// String is "file:line: MODULE: text", without what is not known.
func (w Warning) String() string {
	var b strings.Builder
	b.WriteString(w.File)
	if w.Line > 0 {
		fmt.Fprintf(&b, ":%d", w.Line)
	}
	b.WriteString(": ")
	if w.Module != "" {
		b.WriteString(w.Module + ": ")
	}
	b.WriteString(w.Text)
	return b.String()
}

// Load reads the built-in modules and those of the folders, of which an
// earlier one wins over a later one where both have a module of one name, and
// over what is built in; names that only the built-in one defines stay.
//
// The error is about a folder that is missing or cannot be read, or that of
// ctx. All that is wrong with files in a folder is in the warnings.
func Load(ctx context.Context, dirs []string) (*Modules, []Warning, error) {
	builtIn, err := builtInSource()
	if err != nil {
		return nil, nil, err
	}
	folders, warnings := newSource(), []Warning(nil)
	for _, dir := range dirs {
		w, err := folders.addFolder(dir)
		if err != nil {
			return nil, nil, err
		}
		warnings = append(warnings, w...)
	}
	f := newFlattener(builtIn.names)
	if len(folders.names) > 0 {
		warnings = append(warnings, readFolders(ctx, f, folders, folders, builtIn)...)
		defer debug.FreeOSMemory() // reading takes a hundred times what it leaves
	}
	model, err := read(ctx, builtIn.names, builtIn)
	if err != nil {
		return nil, nil, fmt.Errorf("built-in SMI modules: %w", err)
	}
	f.add(model)
	return f.done(), warnings, nil
}

func builtInSource() (*source, error) {
	s := newSource()
	files, err := fs.Glob(smi, "smi/*.mib")
	if err != nil {
		return nil, fmt.Errorf("built-in SMI modules: %w", err)
	}
	for _, file := range files {
		text, err := smi.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("built-in SMI module %s: %w", file, err)
		}
		s.addText(file, text)
	}
	return s, nil
}

// readFolders adds the modules of folders to f, which it reads from sources,
// those that come first. A module that cannot be read is left out.
func readFolders(ctx context.Context, f *flattener, folders *source, sources ...gomib.Source) (warnings []Warning) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	model, err := read(ctx, folders.names, sources...)
	for err != nil {
		var faulty *fault
		if !errors.As(err, &faulty) || ctx.Err() != nil || folders.modules[faulty.module].Path == "" {
			if errors.Is(err, context.DeadlineExceeded) {
				err = fmt.Errorf("reading them took longer than %s", readLimit)
			}
			return append(warnings, Warning{File: "mibs", Text: "all modules of the folders are left out: " + err.Error()})
		}
		warnings = append(warnings, Warning{
			Module: faulty.module, File: folders.modules[faulty.module].Path,
			Text: "is left out, as the parser chokes on it: " + err.Error(),
		})
		folders.drop(faulty.module)
		model, err = read(ctx, folders.names, sources...)
	}
	f.add(model)
	return append(warnings, complaints(model, folders)...)
}

// read has gomib read the named modules, and those that they import, from the
// first source that has them. A panic of gomib is a *fault.
func read(ctx context.Context, names []string, sources ...gomib.Source) (model *mib.Mib, err error) {
	l := &leash{ctx: ctx, sources: sources}
	defer func() {
		if p := recover(); p != nil {
			model, err = nil, &fault{l.parsing, p}
		}
		if ctx.Err() != nil {
			model, err = nil, ctx.Err()
		}
	}()
	// Modules that are asked for by name are read in this goroutine, so that
	// a panic can be recovered. The error that comes with a model is about
	// modules that are not there, which its diagnostics tell better.
	model, err = gomib.Load(ctx, gomib.WithSource(l), gomib.WithModules(names...),
		gomib.WithLogger(slog.New(l)), gomib.WithStrictness(mib.StrictnessPermissive))
	if model != nil {
		return model, nil
	}
	return nil, err
}
