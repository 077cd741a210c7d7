package options

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// maxConfig is more than any file of flags has, in bytes. A larger one is refused.
const maxConfig = 1 << 20

// configFlag is the name of the flag that Config declares.
const configFlag = "config"

// Config declares -config, which names a file with further flags, and Parse reads it. Each of its lines is empty, a comment
// that begins with #, or the name of a flag without hyphens, a space and the value up to the end of the line. A flag
// without argument stands alone, or has the value true or false. What is on the command line wins; there a flag that may be
// given several times replaces all values of the file.
func (s *Set) Config(p *string, help string) {
	s.String(p, configFlag, "file", "", help)
	s.LineOnly(configFlag)
	s.config = p
}

// readConfig puts the values of the file below those of the line.
func (s *Set) readConfig(path string) error {
	content, err := ReadFile(path, maxConfig)
	if err != nil {
		return &UsageError{Flag: configFlag, Value: path, Reason: path + ": " + err.Error()}
	}
	if failure := s.applyConfig(path, string(content)); failure != nil {
		return failure
	}
	return nil
}

// applyConfig sets what the file has, all of which is checked, and then anew what the line has.
func (s *Set) applyConfig(path, content string) *UsageError {
	for _, e := range s.entries {
		e.given = ""
	}
	number := 0
	for line := range strings.Lines(content) {
		number++
		place := fmt.Sprintf("%s:%d", path, number)
		given, failure := s.readLine(line)
		if failure != nil {
			failure.Place = place
			return failure
		}
		if given.place = place; given.entry == nil {
			continue
		}
		if failure := given.apply(); failure != nil {
			return failure
		}
	}
	for _, given := range s.line {
		given.entry.given = ""
	}
	for _, given := range s.line {
		if failure := given.apply(); failure != nil {
			return failure
		}
	}
	return nil
}

// readLine reads a line of a file. That without a flag gives a setting without entry.
func (s *Set) readLine(line string) (setting, *UsageError) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return setting{}, nil
	}
	if strings.ContainsFunc(line, func(r rune) bool { return unicode.IsControl(r) && r != '\t' }) {
		return setting{}, &UsageError{Value: line, Reason: "the line has control characters: is this a file of flags?"}
	}
	name, text := line, ""
	if end := strings.IndexFunc(line, unicode.IsSpace); end > 0 {
		name, text = line[:end], strings.TrimSpace(line[end:])
	}
	f := s.flags.Lookup(name)
	if f == nil {
		return setting{}, s.unknown(name)
	}
	e := f.Value.(*value).entry
	switch {
	case e.lineOnly:
		return setting{}, &UsageError{Flag: name, Value: text, Reason: "may be on the command line alone, not in a file"}
	case text == "" && e.isBool():
		text = "true"
	case text == "":
		return setting{}, &UsageError{Flag: name, Reason: "needs a value: " + name + " " + e.argument}
	}
	return setting{entry: e, name: name, text: text}, nil
}

// unknown tells what is wrong with a name in a file that no flag has.
func (s *Set) unknown(name string) *UsageError {
	plain := strings.TrimLeft(name, "-")
	plain, _, assigned := strings.Cut(plain, "=")
	if s.flags.Lookup(plain) != nil {
		how := "without a hyphen"
		if assigned {
			how = "with a space in place of ="
		}
		return &UsageError{Value: name, Reason: fmt.Sprintf("%q: in a file, write %s %s", name, plain, how)}
	}
	return &UsageError{Flag: name, Reason: "there is no such flag, " + s.seeHelp()}
}

// Locate adds to a *UsageError about a flag the place of the flag in the file, if that is where its value comes from, and
// returns it. It leaves other errors alone.
func (s *Set) Locate(err error) error {
	var usage *UsageError
	if !errors.As(err, &usage) || usage.Place != "" {
		return err
	}
	f := s.flags.Lookup(usage.Flag)
	if f == nil {
		return err
	}
	e := f.Value.(*value).entry
	if e.given == "" || e.places[0] == commandLine {
		return err
	}
	n := max(0, slices.Index(e.values, usage.Value))
	usage.Place = e.places[n]
	return err
}

// Texts returns the values of all flags, by their main names, for Changed.
func (s *Set) Texts() map[string]string {
	texts := map[string]string{}
	for _, e := range s.entries {
		texts[e.names[0]] = strings.Join(e.values, "\n")
	}
	return texts
}

// Changed names the flags, in the order of declaration, that have other values than in before. Where these come from
// does not matter.
func (s *Set) Changed(before map[string]string) (names []string) {
	now := s.Texts()
	for _, e := range s.entries {
		if name := e.names[0]; now[name] != before[name] {
			names = append(names, name)
		}
	}
	return names
}
