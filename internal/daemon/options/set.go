package options

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
)

// Set is the flags of one tool, in the order in which they were declared. Declare, then Parse once. Declaring a name
// twice panics, as it does in package flag.
type Set struct {
	program  string
	synopsis string
	about    string
	version  string

	flags   *flag.FlagSet
	entries []*entry
	args    []string    // the line that Parse reads
	left    int         // how many of args come after the last flag that was read
	line    []setting   // what the line sets, in its order
	failure *UsageError // the first bad value
	config  *string     // the file that Config declares; nil: none is read
}

// entry is one flag with its aliases.
type entry struct {
	names    []string // the first is the main one
	argument string   // the name of its argument; "" when it takes none
	note     string   // its range and default, for the usage text
	help     string
	check    func(text string) error  // checks a value and stores it
	given    string                   // the name that was used, "" when the flag was not given
	values   []string                 // the current values as text: one at most, unless many
	places   []string                 // where each value was given, when the flag was given
	many     bool                     // it may be given more than once
	lineOnly bool                     // it may not be in a file
	show     func(text string) string // gives what may be shown of a value; nil: all of it
}

// New returns an empty set. The synopsis follows the program's name on the first line of the usage text; about is a
// paragraph on the purpose of the program.
func New(program, synopsis, about string) *Set {
	flags := flag.NewFlagSet(program, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	return &Set{program: program, synopsis: synopsis, about: about, flags: flags}
}

// Bool declares a flag without argument that sets *p to true. On the line -name=true and -name=false work too.
func (s *Set) Bool(p *bool, name, help string) {
	*p = false
	s.declare(&entry{names: []string{name}, values: []string{"false"}, help: help, check: func(text string) error {
		if text != "true" && text != "false" {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		*p = text == "true"
		return nil
	}})
}

// String declares a flag that takes any text but the empty one, so that "" always means: not given.
func (s *Set) String(p *string, name, argument, def, help string) {
	*p = def
	s.declare(&entry{names: []string{name}, argument: argument, note: defaultNote(def), values: defaultValues(def), help: help,
		check: func(text string) error {
			if text == "" {
				return fmt.Errorf("%q is empty", text)
			}
			*p = text
			return nil
		}})
}

// Int declares a flag that takes a decimal number from lowest to highest, neither of them negative.
func (s *Set) Int(p *int, name, argument string, def, lowest, highest int, help string) {
	*p = def
	s.declare(&entry{names: []string{name}, argument: argument, note: rangeNote(def, lowest, highest), values: []string{strconv.Itoa(def)}, help: help,
		check: func(text string) error {
			n, ok := decimal(text, lowest, highest)
			if !ok {
				return fmt.Errorf("%q is not a whole number from %d to %d", text, lowest, highest)
			}
			*p = n
			return nil
		}})
}

// Millis declares a flag that takes a number of milliseconds from lowest to highest, which are whole milliseconds and
// not negative.
func (s *Set) Millis(p *time.Duration, name string, def, lowest, highest time.Duration, help string) {
	*p = def
	low, high := int(lowest.Milliseconds()), int(highest.Milliseconds())
	s.declare(&entry{names: []string{name}, argument: "msecs", help: help,
		note: rangeNote(int(def.Milliseconds()), low, high), values: []string{strconv.Itoa(int(def.Milliseconds()))},
		check: func(text string) error {
			n, ok := decimal(text, low, high)
			if !ok {
				return fmt.Errorf("%q is not a whole number of milliseconds from %d to %d", text, low, high)
			}
			*p = time.Duration(n) * time.Millisecond
			return nil
		}})
}

// Func declares a flag whose argument goes to check, which stores it or returns why it is wrong, quoting it. A default
// other than "" goes through check at once. Func panics if check refuses the default.
func (s *Set) Func(name, argument, def, help string, check func(text string) error) {
	if def != "" {
		if err := check(def); err != nil {
			panic(fmt.Sprintf("default of -%s: %v", name, err))
		}
	}
	s.declare(&entry{names: []string{name}, argument: argument, note: defaultNote(def), values: defaultValues(def), help: help, check: check})
}

// List declares a flag that may be given several times. check gets all values so far, the new one last, and stores them
// or returns why the new one is wrong. The values that are given replace the default. A default other than "" goes through
// check at once. List panics if check refuses the default.
func (s *Set) List(name, argument, def, help string, check func(texts []string) error) {
	if def != "" {
		if err := check([]string{def}); err != nil {
			panic(fmt.Sprintf("default of -%s: %v", name, err))
		}
	}
	e := &entry{names: []string{name}, argument: argument, note: defaultNote(def), values: defaultValues(def), help: help, many: true}
	e.check = func(text string) error {
		if e.given == "" {
			return check([]string{text})
		}
		return check(append(slices.Clone(e.values), text))
	}
	s.declare(e)
}

// Alias declares another name for a flag. Giving both on one line is giving the flag twice.
func (s *Set) Alias(alias, name string) {
	e := s.lookup(name)
	e.names = append(e.names, alias)
	s.flags.Var(&value{set: s, entry: e, name: alias}, alias, "")
}

// Version declares -version, which prints the text.
func (s *Set) Version(text string) {
	s.version = text
	s.declare(&entry{names: []string{versionFlag}, lineOnly: true, help: "Print the version and exit.", check: func(text string) error {
		if text != "true" {
			return fmt.Errorf("%q: it takes no argument", text)
		}
		return nil
	}})
}

// LineOnly says that flags may be on the command line alone, and not in a file.
func (s *Set) LineOnly(names ...string) {
	for _, name := range names {
		s.lookup(name).lineOnly = true
	}
}

// Secret says that values of a flag may hold a secret. show gives what is shown of one.
func (s *Set) Secret(name string, show func(text string) string) { s.lookup(name).show = show }

// shown gives what may be shown of a value.
func (e *entry) shown(text string) string {
	if e.show == nil {
		return text
	}
	return e.show(text)
}

// Given reports whether the flag was on the line or in the file, under any of its names.
func (s *Set) Given(name string) bool { return s.lookup(name).given != "" }

// OnLine reports whether the value in force of a flag is from the command line, where other users can read it.
func (s *Set) OnLine(name string) bool { return slices.Contains(s.lookup(name).places, commandLine) }

func (s *Set) declare(e *entry) {
	s.entries = append(s.entries, e)
	s.flags.Var(&value{set: s, entry: e, name: e.names[0]}, e.names[0], "")
}

// lookup returns the entry of a declared flag. It panics for any other: that is a bug in the tool.
func (s *Set) lookup(name string) *entry {
	f := s.flags.Lookup(name)
	if f == nil {
		panic("no flag -" + name + " is declared")
	}
	return f.Value.(*value).entry
}

func defaultValues(def string) []string {
	if def == "" {
		return nil
	}
	return []string{def}
}

// decimal reads plain digits: no sign, space, exponent or underscore.
func decimal(text string, lowest, highest int) (int, bool) {
	n, err := strconv.ParseUint(text, 10, strconv.IntSize-1)
	if err != nil || int(n) < lowest || int(n) > highest {
		return 0, false
	}
	return int(n), true
}
