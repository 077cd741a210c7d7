package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// file is what the rules look at of a source file.
type file struct {
	path     string // from the root of the module, with slashes
	test     bool
	imports  []string
	clock    bool // it mentions time.Now, or reads another clock
	settable bool // it reads a clock that can be set, or that a suspended machine moves
}

// in reports whether f is in directory or below it.
func (f file) in(directory string) bool { return under(path.Dir(f.path), directory) }

// parse reads a source file. Build constraints do not matter: the rules hold under all.
func parse(name string, source []byte) (file, error) {
	f := file{path: name, test: strings.HasSuffix(name, "_test.go")}
	tree, err := parser.ParseFile(token.NewFileSet(), name, source, parser.SkipObjectResolution)
	if err != nil {
		return f, err
	}
	clock := "" // what package time is called
	for _, spec := range tree.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return f, err
		}
		f.imports = append(f.imports, imported)
		if imported == "time" {
			clock = "time"
			if spec.Name != nil {
				clock = spec.Name.Name
			}
		}
	}
	f.settable = readsClock(tree) || tellsWallTime(tree)
	f.clock = clock == "." || clock != "" && mentions(tree, clock, "Now") || f.settable || asksKernel(tree, true)
	return f, nil
}

// readsClock reports whether a clock of the kernel's is read or set up that the wall clock,
// or a suspended machine, moves.
func readsClock(tree *ast.File) bool {
	for _, pkg := range []string{"unix", "syscall"} {
		for _, name := range []string{"Gettimeofday", "Time", "CLOCK_REALTIME", "CLOCK_TAI", "CLOCK_BOOTTIME"} {
			if mentions(tree, pkg, name) {
				return true
			}
		}
	}
	return asksKernel(tree, false)
}

// asksKernel reports whether clock_gettime is called for CLOCK_MONOTONIC, by that name, or for
// any other clock.
func asksKernel(tree *ast.File, monotonic bool) bool {
	found := false
	ast.Inspect(tree, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && len(call.Args) > 0 {
			if s, ok := call.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "ClockGettime" {
				clock, named := call.Args[0].(*ast.SelectorExpr)
				found = found || (named && clock.Sel.Name == "CLOCK_MONOTONIC") == monotonic
			}
		}
		return !found
	})
	return found
}

// tellsWallTime reports whether a time.Time is made a number, which drops its monotonic
// reading.
func tellsWallTime(tree *ast.File) bool {
	found := false
	ast.Inspect(tree, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && len(call.Args) == 0 {
			if s, ok := call.Fun.(*ast.SelectorExpr); ok {
				switch s.Sel.Name {
				case "Unix", "UnixMilli", "UnixMicro", "UnixNano":
					found = true
				}
			}
		}
		return !found
	})
	return found
}

// mentions reports whether pkg.name occurs.
func mentions(tree *ast.File, pkg, name string) bool {
	found := false
	ast.Inspect(tree, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == name {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == pkg {
				found = true
			}
		}
		return !found
	})
	return found
}

// notOurs reports whether a directory has no source of this module: data, and modules of their
// own, as what make deb builds from is.
func notOurs(directory string) bool {
	name := filepath.Base(directory)
	_, err := os.Stat(filepath.Join(directory, "go.mod"))
	return strings.HasPrefix(name, ".") || name == "testdata" || err == nil
}

// readModule reads all source files of the module.
func readModule(t *testing.T) []file {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatalf("the root of the module is not where it was: %v", err)
	}
	var files []file
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && name != root && notOurs(name) {
			return fs.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		relative, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		f, err := parse(filepath.ToSlash(relative), source)
		files = append(files, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
