package options

import (
	"fmt"
	"strings"
)

// The lines that enclose what Manual writes for one flag in a man page. Whatever else the page
// says about the flag follows behind the second.
const (
	manualFlag = `.\" flag `
	manualEnd  = `.\" end`
)

// manualWidth is the greatest length of a line of text in a man page, in bytes.
const manualWidth = 78

// Manual returns a man page, in mdoc(7), with the text of each flag as it is now: its argument,
// help, range and default. A flag that the page does not have yet goes behind the one declared
// before it. The error names a flag that the page has and the Set has not.
func (s *Set) Manual(page string) (string, error) {
	lines := strings.Split(page, "\n")
	known := map[string]bool{}
	at := 0 // where the flag before it ends
	for _, e := range s.manualEntries() {
		name := e.names[0]
		known[name] = true
		first, last, found := manualBlock(lines, name)
		if !found {
			if first = manualGap(lines, at); first < 0 {
				return "", fmt.Errorf("there is no list of flags, from .Bl to .El below .Sh OPTIONS")
			}
			last = first
		}
		block := e.manual()
		lines = append(lines[:first:first], append(block, lines[last:]...)...)
		at = first + len(block)
	}
	for _, line := range lines {
		if name, found := strings.CutPrefix(line, manualFlag); found && !known[name] {
			return "", fmt.Errorf("-%s is not a flag any more: remove it from the page", name)
		}
	}
	return strings.Join(lines, "\n"), nil
}

// manualEntries returns the flags with the one that every tool has.
func (s *Set) manualEntries() []*entry {
	help := &entry{names: []string{"h", "help", "?"}, help: "Print a summary of the flags and exit, whatever else is given."}
	return append(s.entries[:len(s.entries):len(s.entries)], help)
}

// manualBlock finds what Manual wrote for a flag: lines[first:last].
func manualBlock(lines []string, name string) (first, last int, found bool) {
	for i, line := range lines {
		switch {
		case line == manualFlag+name:
			first, found = i, true
		case line == manualEnd && found:
			return first, i + 1, true
		}
	}
	return 0, 0, false
}

// manualGap finds where the next flag goes, behind line at and the text about the flag there.
// It is -1 on a page without a list of flags.
func manualGap(lines []string, at int) int {
	options := false
	for i, line := range lines {
		options = options || line == ".Sh OPTIONS"
		if i >= at && options && (strings.HasPrefix(line, manualFlag) || line == ".El") {
			return i
		}
	}
	return -1
}

// manual returns the lines about one flag.
func (e *entry) manual() []string {
	var names []string
	for _, name := range e.names {
		names = append(names, "Fl "+strings.ReplaceAll(name, "?", `\&?`))
	}
	item := ".It " + strings.Join(names, " , ")
	if e.argument != "" {
		item += " Ar " + e.argument
	}
	lines := []string{manualFlag + e.names[0], item}
	for _, sentence := range strings.SplitAfter(e.helpWithNote(), ". ") {
		for _, line := range wrap(sentence, manualWidth) {
			lines = append(lines, manualText(line))
		}
	}
	return append(lines, manualEnd)
}

// manualText makes a line mean itself: a point at its start would be a macro, and hyphens before
// flags would be printed as those between words.
func manualText(line string) string {
	line = strings.ReplaceAll(line, `\`, `\e`)
	line = strings.NewReplacer(" -", ` \-`, "(-", `(\-`).Replace(" " + line)[1:]
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		line = `\&` + line
	}
	return line
}

// exampleWidth is the greatest length of a comment in an example, in bytes.
const exampleWidth = 76

// Example returns a file for Config: each flag that may be in one, with its help as a comment, and its default, which is
// commented out. In place of a default that is not there stands <argument>.
func (s *Set) Example() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Flags of %s, for -config. See %s(1).\n#\n", s.program, s.program)
	b.WriteString("# A line is the name of a flag without a hyphen, a space, and the value up to the end of the line.\n" +
		"# Lines that begin with # are comments: the defaults below are. The command line wins over this file.\n")
	for _, e := range s.entries {
		if e.lineOnly {
			continue
		}
		b.WriteString("\n")
		for _, line := range wrap(e.helpWithNote(), exampleWidth) {
			b.WriteString("# " + line + "\n")
		}
		b.WriteString("#" + e.names[0] + " " + e.exampleValue() + "\n")
	}
	return b.String()
}

func (e *entry) exampleValue() string {
	if len(e.values) > 0 {
		return strings.Join(e.values, " ")
	}
	return "<" + e.argument + ">"
}

// helpWithNote is the help with the range and the default behind it.
func (e *entry) helpWithNote() string {
	if e.note == "" {
		return e.help
	}
	return e.help + " (" + e.note + ")"
}
