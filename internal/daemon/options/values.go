package options

import "strings"

// Values returns one line for each flag, in the order of declaration: its main name, the value in force as it was
// written, and where that comes from: "given", "default", or "not given" where there is neither. Nothing but the
// command line sets a value, so there is no third place (docs/RELIABILITY.md, K09). Call it after Parse.
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
	switch {
	case e.given != "":
		return oneLine(e.value) + " (given)"
	case e.value != "":
		return e.value + " (default)"
	}
	return "(not given)"
}
