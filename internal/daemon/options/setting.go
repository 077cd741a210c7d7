package options

import "fmt"

// commandLine is the place of what the command line sets.
const commandLine = "command line"

// setting is one flag with a value, as the command line or a line of a file has it.
type setting struct {
	entry *entry
	name  string // under which it was given
	text  string
	place string // commandLine, or file:line
}

// apply checks the value and stores it. The first value of a flag replaces the default.
func (g setting) apply() *UsageError {
	if failure := g.repeated(); failure != nil {
		return failure
	}
	e := g.entry
	if err := e.check(g.text); err != nil {
		return g.wrong(&UsageError{Value: g.text, Reason: err.Error(), cause: err})
	}
	if e.given == "" {
		e.values, e.places = nil, nil
	}
	e.given, e.values, e.places = g.name, append(e.values, g.text), append(e.places, g.place)
	return nil
}

// repeated refuses a second value of a flag that takes one.
func (g setting) repeated() *UsageError {
	e := g.entry
	if e.given == "" || e.many {
		return nil
	}
	reason := "is given twice"
	if e.given != g.name {
		reason = "is the same flag as -" + e.given + ", which is given too"
	}
	switch first := e.places[0]; {
	case first != commandLine:
		reason += ", first at " + first
	case !e.isBool():
		reason += fmt.Sprintf(" (the second value is %q)", e.shown(g.text))
	}
	return g.wrong(&UsageError{Value: g.text, Reason: reason})
}

// wrong completes an error with the flag and the place.
func (g setting) wrong(e *UsageError) *UsageError {
	e.Flag = g.name
	if g.place != commandLine {
		e.Place = g.place
	}
	return e
}

// isBool reports whether the flag takes no argument.
func (e *entry) isBool() bool { return e.argument == "" }
