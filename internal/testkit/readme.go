package testkit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ReadmeHolds fails the test unless README.md has text, line for line, in a block
// indented by four spaces. The test must run two folders below the module's root.
func ReadmeHolds(t *testing.T, text string) {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if want := indented(text); !strings.Contains(string(readme), want) {
		t.Errorf("README.md lacks this block, or has an older form of it:\n%s", want)
	}
}

func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			b.WriteString("    ")
		}
		b.WriteString(line)
	}
	return b.String()
}
