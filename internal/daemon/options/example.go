package options

import (
	"fmt"
	"strings"
)

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
