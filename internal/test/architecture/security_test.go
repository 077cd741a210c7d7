package architecture

import (
	"fmt"
	"os"
	"slices"
	"testing"
)

// TestSecurityNamesItsTests holds each claim of docs/SECURITY.md to the tests that it names.
func TestSecurityNamesItsTests(t *testing.T) {
	document, err := os.ReadFile("../../../docs/SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	rows, faults := readPromises(string(document))
	if len(rows) == 0 {
		t.Error("docs/SECURITY.md: got no claim, want some")
	}
	for _, fault := range append(faults, claimFaults(rows, moduleTests(t, "../../.."))...) {
		t.Error("docs/SECURITY.md: " + fault)
	}
}

// claimFaults tells what is wrong with the claims: each has the next number, and names tests
// that are there.
func claimFaults(rows []promise, tests map[string]bool) (faults []string) {
	for n, row := range rows {
		if want := fmt.Sprintf("S%02d", n+1); row.id != want {
			faults = append(faults, fmt.Sprintf("got claim %s, want %s", row.id, want))
		}
		for _, name := range row.tests {
			if !tests[name] {
				faults = append(faults, fmt.Sprintf("%s names %s, and there is no such test", row.id, name))
			}
		}
	}
	return faults
}

func TestClaimFaults(t *testing.T) {
	tests := map[string]bool{"engine.TestA": true}
	for _, row := range []struct {
		name, document string
		want           []string
	}{
		{"as it should be", "| S01 | it holds | `engine.TestA` |\n| S02 | it will | open: needs TLS |\n", nil},
		{"no such test", "| S01 | it holds | `engine.TestA`, `engine.TestB` |\n", []string{"S01 names engine.TestB, and there is no such test"}},
		{"a number left out", "| S02 | it holds | `engine.TestA` |\n", []string{"got claim S02, want S01"}},
		{"no test", "| S01 | it holds | |\n", []string{"S01: \"\" is neither `directory.TestName` in backquotes, nor begins with none: or open:"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			rows, got := readPromises(row.document)
			if got = append(got, claimFaults(rows, tests)...); !slices.Equal(got, row.want) {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}
