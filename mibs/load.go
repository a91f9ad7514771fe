package mibs

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golangsnmp/gomib"
	"github.com/golangsnmp/gomib/mib"
)

//go:embed smi/*.mib
var smi embed.FS

const (
	// readLimit is how long all modules of all folders may take to read: 4,600
	// of 250 MB take about 20 s of one processor.
	readLimit = 2 * time.Minute

	// groupSize is how much text, in octets, is read at once, with what it
	// imports: its model takes six times as much memory.
	groupSize = 2 << 20

	maxReaders = 4
)

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
	l, warnings, err := Open(ctx, dirs)
	if err != nil {
		return nil, nil, err
	}
	return l.Modules, warnings, nil
}

// Open is Load for who wants to read more of the modules than Modules keep.
func Open(ctx context.Context, dirs []string) (*Library, []Warning, error) {
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
	b := newBuilder(builtIn.names)
	if len(folders.names) > 0 {
		warnings = append(warnings, readFolders(ctx, b, folders, folders, builtIn)...)
		defer debug.FreeOSMemory() // reading takes much more than it leaves
	}
	model, err := read(ctx, builtIn.names, builtIn)
	if err != nil {
		return nil, nil, fmt.Errorf("built-in SMI modules: %w", err)
	}
	b.addModel(model, nil, math.MaxUint32)
	return &Library{Modules: b.done(), folders: folders, builtIn: builtIn}, warnings, nil
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
		s.index(file, text, true)
	}
	return s, nil
}

// readFolders adds the modules of folders to b, which it reads from sources,
// those that come first. A module that cannot be read is left out.
//
// They are read in groups, several at once, so that neither all text nor all
// that gomib makes of it need be in memory: what a group imports from another
// one is read twice.
func readFolders(ctx context.Context, b *builder, folders *source, sources ...gomib.Source) []Warning {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	groups := groupsOf(folders)
	warnings, starts := make([][]Warning, len(groups)), make([]uint32, len(groups))
	for i := 1; i < len(groups); i++ {
		starts[i] = starts[i-1] + uint32(len(groups[i-1]))
	}
	var next atomic.Uint32
	var readers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), maxReaders, len(groups)) {
		readers.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(groups); i = next.Add(1) - 1 {
				g := group{names: slices.Clone(groups[i]), folders: folders, sources: sources}
				if model := g.read(ctx); model != nil {
					b.addModel(model, g.names, starts[i])
				}
				warnings[i] = g.warnings
			}
		})
	}
	readers.Wait()
	all := slices.Concat(warnings...)
	if left := folders.notIn(b); ctx.Err() != nil && left > 0 {
		all = append(all, Warning{File: "mibs", Text: fmt.Sprintf(
			"%d modules of the folders are left out: reading them took longer than %s: name fewer or smaller folders", left, readLimit)})
	}
	return all
}

// notIn counts the modules that a builder did not get.
func (s *source) notIn(b *builder) (n int) {
	for _, name := range s.names {
		if _, ok := b.byName[name]; !ok {
			n++
		}
	}
	return n
}

// groupsOf divides the modules of folders, in their order: those of a vendor
// are mostly in one folder, and import from one another.
func groupsOf(folders *source) (groups [][]string) {
	size := groupSize
	for _, name := range folders.names {
		n := folders.size(name)
		if size += n; size > groupSize {
			groups, size = append(groups, nil), n
		}
		last := len(groups) - 1
		groups[last] = append(groups[last], name)
	}
	return groups
}

// group is modules that are read at once.
type group struct {
	names    []string
	folders  *source
	sources  []gomib.Source
	retries  int
	warnings []Warning
}

// read returns the model of the group without modules that cannot be read, or
// nil where ctx is done. What is known to be wrong with modules is mended.
func (g *group) read(ctx context.Context) *mib.Mib {
	for {
		model, err := read(ctx, g.names, g.sources...)
		var faulty *fault
		switch {
		case err == nil && g.mend(model):
		case err == nil:
			g.warnings = append(g.warnings, complaints(model, g.folders, g.names)...)
			return model
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &faulty) && g.leaveOut(faulty):
		default:
			g.warnings = append(g.warnings, Warning{
				File: "mibs", Text: fmt.Sprintf("%s and %d more modules are left out: %v", g.names[0], len(g.names)-1, err),
			})
			return nil
		}
	}
}

// leaveOut takes the module out that a fault is about, and says whether that
// may help.
func (g *group) leaveOut(f *fault) bool {
	g.names = slices.DeleteFunc(g.names, func(n string) bool { return n == f.module })
	m := g.folders.drop(f.module)
	if m != nil {
		g.warnings = append(g.warnings, Warning{
			Module: f.module, File: m.path, Text: "is left out, as the parser chokes on it: " + f.Error(),
		})
	}
	g.retries++
	return m != nil || g.retries < 3 // another group may have taken it out
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
