package options

import (
	"fmt"
	"strings"
)

// The layout of the usage text, in columns.
const (
	usageWidth = 80
	helpColumn = 22 // where the help texts start
)

// Usage returns the usage text: the synopsis, what the program does, and each flag in the order of declaration with its
// argument, help, range and default. No line is over 80 columns, unless one word alone is.
func (s *Set) Usage() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s %s\n\n", s.program, s.synopsis)
	for _, line := range wrap(s.about, usageWidth) {
		b.WriteString(line + "\n")
	}
	b.WriteString("\n")
	for _, e := range s.entries {
		writeFlag(&b, e.spelling(), e.help, e.note)
	}
	writeFlag(&b, "-h, -help, -?", "Print this text and exit, whatever else is on the line.", "")
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
func writeFlag(b *strings.Builder, spelling, help, note string) {
	if note != "" {
		help += " (" + note + ")"
	}
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
