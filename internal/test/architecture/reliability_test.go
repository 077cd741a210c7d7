package architecture

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// reliability is the document that promises how faults are met.
const reliability = "../../../docs/RELIABILITY.md"

// TestReliabilityNamesItsTests holds docs/RELIABILITY.md to the tests that it names.
func TestReliabilityNamesItsTests(t *testing.T) {
	document, err := os.ReadFile(reliability)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("docs/RELIABILITY.md does not exist yet: nothing is held to it")
	}
	if err != nil {
		t.Fatal(err)
	}
	rows, faults := readPromises(string(document))
	for _, fault := range append(faults, promiseFaults(rows, moduleTests(t, "../../.."))...) {
		t.Error("docs/RELIABILITY.md: " + fault)
	}
}

// moduleTests gives directory.TestName for each test below root, by the last element of the
// directory and by the whole of it: engine.TestStop, engine/poll.TestStop and poll.TestStop.
func moduleTests(t *testing.T, root string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && name != root && notOurs(name) {
			return fs.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		relative, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		names, err := testsIn(name, nil)
		for _, test := range names {
			directory := path.Dir(filepath.ToSlash(relative))
			found[directory+"."+test], found[path.Base(directory)+"."+test] = true, true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// testsIn gives the tests of a file, whose text is source if that is not nil.
func testsIn(name string, source any) ([]string, error) {
	tree, err := parser.ParseFile(token.NewFileSet(), name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range tree.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && isTest(f) {
			names = append(names, f.Name.Name)
		}
	}
	return names, nil
}

// isTest: go test runs it, which it does not with TestMain or a function of other form.
func isTest(f *ast.FuncDecl) bool {
	if f.Type.Params.NumFields() != 1 || f.Type.Results.NumFields() != 0 {
		return false
	}
	star, ok := f.Type.Params.List[0].Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	kind, ok := star.X.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	prefix := map[string]string{"T": "Test", "F": "Fuzz", "B": "Benchmark"}[kind.Sel.Name]
	return prefix != "" && strings.HasPrefix(f.Name.Name, prefix)
}

func TestModuleTestsAreFound(t *testing.T) {
	found := moduleTests(t, "../../..")
	for name, want := range map[string]bool{
		"internal/test/architecture.TestModuleTestsAreFound": true,
		"architecture.TestModuleTestsAreFound":               true,
		"cmd/dc_client.TestRetry":                            true,
		"codec.FuzzAssembler":                                true,
		"engine.TestMain":                                    false,
		"engine.TestRetry":                                   false,
		"engine.serve":                                       false,
	} {
		if found[name] != want {
			t.Errorf("%s: got %v, want %v", name, found[name], want)
		}
	}
}

// sampleDocument is a document with each case once.
func sampleDocument() string {
	var b strings.Builder
	b.WriteString("# Reliability\n\n| ID | Promise | Tests |\n|---|---|---|\n")
	for _, c := range chapters {
		for n := range c.cases {
			fmt.Fprintf(&b, "| %s%02d | it holds | `engine.TestA`, `engine/poll.TestB` |\n", c.letter, n+1)
		}
	}
	return b.String()
}

func TestReliabilityCheck(t *testing.T) {
	tests := map[string]bool{"engine.TestA": true, "engine/poll.TestB": true, "codec.FuzzC": true}
	const row = "| H05 | it holds | `engine.TestA`, `engine/poll.TestB` |\n"
	rows := []struct {
		name, instead string // of row
		want          []string
	}{
		{"as it should be", row, nil},
		{"no test, with a reason", "| H05 | it holds | none: no such machine, or two |\n", nil},
		{"open", "| H05 | it holds | open: needs TLS |\n", nil},
		{"a test of make faults", "| H05 | it holds | `engine.TestA` (make faults), `engine/poll.TestB` |\n", nil},
		{"a fuzz target", "| H05 | it holds | `codec.FuzzC` |\n", nil},
		{"a bar in the text", "| H05 | a \\| b | `engine.TestA` |\n", nil},
		{"missing", "", []string{"H05 is there 0 times, want once"}},
		{"twice", row + row, []string{"H05 is there 2 times, want once"}},
		{"not of the catalogue", row + "| H99 | it holds | none: why |\n", []string{"H99 is no case of the catalogue"}},
		{"test that does not exist", "| H05 | it holds | `engine.TestZ` |\n",
			[]string{"H05 names engine.TestZ, and there is no such test"}},
		{"test in another directory", "| H05 | it holds | `codec.TestA` |\n",
			[]string{"H05 names codec.TestA, and there is no such test"}},
		{"no backquotes", "| H05 | it holds | engine.TestA |\n",
			[]string{"H05: \"engine.TestA\" is neither `directory.TestName` in backquotes, nor begins with none: or open:"}},
		{"no directory", "| H05 | it holds | `TestA` |\n",
			[]string{"H05: \"`TestA`\" is neither `directory.TestName` in backquotes, nor begins with none: or open:"}},
		{"no tests", "| H05 | it holds | |\n",
			[]string{"H05: \"\" is neither `directory.TestName` in backquotes, nor begins with none: or open:"}},
		{"no reason", "| H05 | it holds | none: |\n", []string{`H05 gives no reason after "none:"`}},
		{"no promise", "| H05 | | `engine.TestA` |\n", []string{"H05 promises nothing"}},
		{"too few columns", "| H05 | it holds |\n",
			[]string{"H05: got 2 columns, want ID, Promise and Tests", "H05 is there 0 times, want once"}},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			promises, got := readPromises(strings.Replace(sampleDocument(), row, r.instead, 1))
			got = append(got, promiseFaults(promises, tests)...)
			if !slices.Equal(got, r.want) {
				t.Errorf("got %q, want %q", got, r.want)
			}
		})
	}
}
