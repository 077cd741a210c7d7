package options

import (
	"fmt"
	"strings"
)

// versionFlag is the name of the flag that Version declares.
const versionFlag = "version"

// Parse reads the arguments (without the program's name) and the file that they name (see Config), and sets the values
// that the flags were declared with. It returns nil, ErrHelp, ErrVersion or a *UsageError about the first mistake on the
// line, or else in the file; after an error the values are of no use. Call it once.
func (s *Set) Parse(args []string) error {
	for _, arg := range args {
		if asksForHelp(arg) {
			return ErrHelp
		}
	}
	s.args, s.left = args, len(args)
	if err := s.flags.Parse(args); err != nil {
		return s.mistake()
	}
	if s.flags.NArg() > 0 {
		stray := s.flags.Arg(0)
		return &UsageError{Value: stray, Reason: fmt.Sprintf("unexpected argument %q, %s", stray, s.seeHelp())}
	}
	if f := s.flags.Lookup(versionFlag); f != nil && s.Given(versionFlag) {
		return ErrVersion
	}
	if s.config != nil && *s.config != "" {
		return s.readConfig(*s.config)
	}
	return nil
}

func asksForHelp(arg string) bool {
	name, ok := spelled(arg)
	return ok && (name == "h" || name == "help" || name == "?")
}

// spelled returns the name in an argument that has the form of a flag: one or two hyphens, a name, maybe =value.
func spelled(arg string) (name string, ok bool) {
	rest, found := strings.CutPrefix(arg, "-")
	if !found {
		return "", false
	}
	name, _, _ = strings.Cut(strings.TrimPrefix(rest, "-"), "=")
	return name, name != "" && name[0] != '-'
}

// current returns the argument that names the flag which is being read, or which stopped the reading.
func (s *Set) current() string { return s.args[len(s.args)-s.left] }

// mistake tells why package flag stopped: a value was refused, or the current argument is wrong.
func (s *Set) mistake() *UsageError {
	if s.failure != nil {
		return s.failure
	}
	arg := s.current()
	name, ok := spelled(arg)
	if !ok {
		return &UsageError{Value: arg, Reason: fmt.Sprintf("%q is not a flag, %s", arg, s.seeHelp())}
	}
	if s.flags.Lookup(name) == nil {
		return &UsageError{Flag: name, Reason: "there is no such flag, " + s.seeHelp()}
	}
	return &UsageError{Flag: name, Reason: "needs an argument: -" + name + " " + s.lookup(name).argument}
}

func (s *Set) seeHelp() string { return "see " + s.program + " -help" }

// value is the flag.Value of one name of a flag.
type value struct {
	set   *Set
	entry *entry
	name  string
}

// String is called by package flag for its own usage text, which is not used.
func (v *value) String() string { return "" }

// IsBoolFlag tells package flag whether the flag takes no argument.
func (v *value) IsBoolFlag() bool { return v.entry.isBool() }

// Set takes the flag's argument. Package flag turns an error into text, so the first one is kept in the Set.
func (v *value) Set(text string) error {
	given := setting{entry: v.entry, name: v.name, text: text, place: commandLine}
	failure := v.take(given)
	v.set.left = v.set.flags.NArg()
	if failure == nil {
		v.set.line = append(v.set.line, given)
		return nil
	}
	v.set.failure = failure
	return failure
}

func (v *value) take(given setting) *UsageError {
	if failure := given.repeated(); failure != nil {
		return failure
	}
	if v.isFlag(given.text) {
		return &UsageError{Flag: v.name, Value: given.text, Reason: fmt.Sprintf(
			"needs an argument, and %q is a flag (if it is meant, write -%s=%s)", given.text, v.name, given.text)}
	}
	return given.apply()
}

// isFlag reports whether the text is a flag of its own: -pidfile -daemon must not create a file named -daemon.
func (v *value) isFlag(text string) bool {
	if !strings.HasPrefix(text, "-") || strings.Contains(v.set.current(), "=") {
		return false
	}
	name, _ := spelled(text)
	return v.set.flags.Lookup(name) != nil
}

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
