package options

import (
	"fmt"
	"slices"
	"strings"
)

// The layout of the usage text, in columns.
const (
	usageWidth = 80
	helpColumn = 22 // where the help texts start
)

// Usage returns the usage text: the synopsis, the purpose of the program, and each flag in the order of declaration with its
// argument, help, range and default. No line is over 80 columns, unless one word alone is.
func (s *Set) Usage() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s %s\n\n", s.program, s.synopsis)
	for _, line := range wrap(s.about, usageWidth) {
		b.WriteString(line + "\n")
	}
	b.WriteString("\n")
	for _, e := range s.entries {
		writeFlag(&b, e.spelling(), e.helpWithNote())
	}
	writeFlag(&b, "-h, -help, -?", "Print this help and exit, whatever else is given.")
	return b.String()
}

// spelling returns, for example: -server, -connect address.
func (e *entry) spelling() string {
	text := "-" + strings.Join(e.names, ", -")
	if e.argument == "" {
		return text
	}
	return text + " " + e.argument
}

// writeFlag puts the help beside the flag, or below it where the flag is too long.
func writeFlag(b *strings.Builder, spelling, help string) {
	left := "  " + spelling
	if len(left)+2 > helpColumn {
		b.WriteString(left + "\n")
		left = ""
	}
	for _, line := range wrap(help, usageWidth-helpColumn) {
		fmt.Fprintf(b, "%-*s%s\n", helpColumn, left, line)
		left = ""
	}
}

// wrap breaks the text between words into lines of at most width bytes.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	if line == "" {
		return lines
	}
	return append(lines, line)
}

func defaultNote(def string) string {
	if def == "" {
		return ""
	}
	return "default " + def
}

func rangeNote(def, lowest, highest int) string {
	return fmt.Sprintf("%d to %d, default %d", lowest, highest, def)
}

// Values returns one line for each flag, in the order of declaration: its main name, its value, and the source of that:
// "command line", "file:line" or "default", or "not given" without any. Nothing else sets values (docs/RELIABILITY.md,
// K09). Call it after Parse.
func (s *Set) Values() string {
	width := 0
	for _, e := range s.entries {
		width = max(width, len(e.names[0]))
	}
	var b strings.Builder
	for _, e := range s.entries {
		if e.names[0] == versionFlag {
			continue
		}
		b.WriteString("  -" + e.names[0] + strings.Repeat(" ", width-len(e.names[0])) + "  " + e.inForce() + "\n")
	}
	return b.String()
}

// inForce returns, for example: 5000 (default).
func (e *entry) inForce() string {
	var texts []string
	for _, text := range e.values {
		texts = append(texts, e.shown(text))
	}
	text := oneLine(strings.Join(texts, " "))
	switch {
	case e.given != "":
		return text + " (" + oneLine(strings.Join(slices.Compact(slices.Clone(e.places)), ", ")) + ")"
	case len(e.values) > 0:
		return text + " (default)"
	}
	return "(not given)"
}
