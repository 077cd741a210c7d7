package options

import (
	"fmt"
	"strings"
)

// versionFlag is the name of the flag that Version declares.
const versionFlag = "version"

// Parse reads the arguments (without the program's name) and sets the values that the flags were declared with. It
// returns nil, ErrHelp, ErrVersion or a *UsageError about the first mistake on the line; after an error the values are
// of no use. Call it once.
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
		return &UsageError{Value: stray, Reason: fmt.Sprintf("%q belongs to no flag, %s", stray, s.seeHelp())}
	}
	if f := s.flags.Lookup(versionFlag); f != nil && s.Given(versionFlag) {
		return ErrVersion
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

// mistake tells why package flag stopped: a value was refused, or else the current argument is to blame.
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
