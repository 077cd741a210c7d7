package kit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// DocumentHolds fails the test unless the document, a path below the module's root, has
// text, line for line, in a block indented by four spaces. The test must run two folders
// below that root.
func DocumentHolds(t *testing.T, document, text string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", document))
	if err != nil {
		t.Fatal(err)
	}
	if want := indented(text); !strings.Contains(string(content), want) {
		t.Errorf("%s lacks this block, or has an older form of it:\n%s", document, want)
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
