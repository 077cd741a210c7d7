package architecture

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const manuals = "../../../docs/man"

// TestEveryToolHasAManual: each command, and an overview. That a page has every flag is for a test
// beside the command.
func TestEveryToolHasAManual(t *testing.T) {
	tools, err := os.ReadDir("../../../cmd")
	if err != nil {
		t.Fatal(err)
	}
	pages := []string{"distcache.7"}
	for _, tool := range tools {
		pages = append(pages, tool.Name()+".1")
	}
	for _, page := range pages {
		if _, err := os.Stat(filepath.Join(manuals, page)); err != nil {
			t.Errorf("got %v, want docs/man/%s", err, page)
		}
	}
}

// crossReference is one page that another names, as in: .Xr dc_client 1 ,
var crossReference = regexp.MustCompile(`(?m)^\.(?:It )?Xr (\S*(?:dc_|distcache)\S*) (\d)`)

func TestManualsNamePagesThatExist(t *testing.T) {
	for _, page := range readManuals(t) {
		for _, found := range crossReference.FindAllStringSubmatch(page.text, -1) {
			name := found[1] + "." + found[2]
			_, missing := os.Stat(filepath.Join(manuals, name))
			if missing != nil && name != "libdistcache.3" { // in contrib/libdistcache/man
				t.Errorf("%s names %s, and there is no such page", page.path, name)
			}
		}
	}
}

// TestManualsAreWellFormed has mandoc look at each page.
func TestManualsAreWellFormed(t *testing.T) {
	if _, err := exec.LookPath("mandoc"); err != nil {
		t.Skip("mandoc is not installed")
	}
	for _, page := range readManuals(t) {
		out, err := exec.Command("mandoc", "-Tlint", "-Wall", page.path).CombinedOutput()
		for line := range strings.Lines(string(out)) {
			// Which other pages are installed says nothing about this one.
			if !strings.Contains(line, "referenced manual not found") && !strings.Contains(line, "outdated mandoc.db") {
				t.Error(strings.TrimSpace(line))
			}
		}
		if err != nil && len(out) == 0 {
			t.Errorf("%s: %v", page.path, err)
		}
	}
}

// manual is one man page.
type manual struct{ path, text string }

func readManuals(t *testing.T) (pages []manual) {
	t.Helper()
	paths, err := filepath.Glob(manuals + "/*.[0-9]")
	if err != nil || len(paths) == 0 {
		t.Fatalf("got %d man pages, %v, want those in docs/man", len(paths), err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, manual{path, string(text)})
	}
	return pages
}
