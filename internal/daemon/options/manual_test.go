package options

import (
	"strings"
	"testing"
)

const emptyManual = ".Dd today\n.Sh OPTIONS\n.Bl -tag\n.El\n.Sh FILES\n"

func TestManual(t *testing.T) {
	s, _ := sample()
	page, err := s.Manual(emptyManual)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		".Bl -tag\n.\\\" flag listen\n.It Fl listen Ar address\nAccept clients at this address.\n",
		".\\\" flag server\n.It Fl server , Fl connect Ar address\n",
		"Time between two attempts to connect.\n(1 to 3600000, default 5000)\n.\\\" end\n.\\\" flag idle\n",
		".It Fl daemon\nDetach",
		".It Fl h , Fl help , Fl \\&?\n",
		".\\\" end\n.El\n.Sh FILES\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("got no %q in\n%s", want, page)
		}
	}
	again, err := s.Manual(page)
	if err != nil || again != page {
		t.Errorf("got another page the second time, %v:\n%s", err, again)
	}
}

// TestManualKeepsWhatPeopleWrote: only what stands between the marks is replaced, a new flag
// goes behind the one before it, and a flag that is gone is an error.
func TestManualKeepsWhatPeopleWrote(t *testing.T) {
	s, _ := sample()
	page, err := s.Manual(emptyManual)
	if err != nil {
		t.Fatal(err)
	}
	written := strings.Replace(page, ".\\\" end\n.\\\" flag retry", ".\\\" end\nOur own words.\n.\\\" flag retry", 1)
	outdated := strings.Replace(written, "Time between", "Hours between", 1)
	if got, err := s.Manual(outdated); err != nil || got != written {
		t.Errorf("got %v and\n%s\nwant\n%s", err, got, written)
	}
	first, last, _ := manualBlock(strings.Split(written, "\n"), "retry")
	lines := strings.Split(written, "\n")
	without := strings.Join(append(lines[:first:first], lines[last:]...), "\n")
	if got, err := s.Manual(without); err != nil || got != written {
		t.Errorf("got %v and\n%s\nwant -retry behind our words about -server:\n%s", err, got, written)
	}
	for _, row := range []struct{ page, want string }{
		{strings.Replace(written, "flag retry", "flag retries", 1), "-retries is not a flag any more"},
		{".Sh NAME\n", "no list of flags"},
	} {
		if _, err := s.Manual(row.page); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("got %v, want %q", err, row.want)
		}
	}
}

func TestManualText(t *testing.T) {
	for text, want := range map[string]string{
		"plain":            "plain",
		"use -listen here": `use \-listen here`,
		"-listen":          `\-listen`,
		"well-known":       "well-known",
		"the limit (-x)":   `the limit (\-x)`,
		".dot":             `\&.dot`,
		"'quote":           `\&'quote`,
		`a\b`:              `a\eb`,
	} {
		if got := manualText(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
