package options

import (
	"fmt"
	"strings"
)

// value is what package flag calls for one name of one flag.
type value struct {
	set   *Set
	entry *entry
	name  string
}

// String is asked for by package flag alone, whose own usage text is not used.
func (v *value) String() string { return "" }

// IsBoolFlag tells package flag whether the flag goes without argument.
func (v *value) IsBoolFlag() bool { return v.entry.argument == "" }

// Set takes the flag's argument. Package flag turns an error into text, so the first one is kept in the Set.
func (v *value) Set(text string) error {
	failure := v.take(text)
	v.set.left = v.set.flags.NArg()
	if failure == nil {
		v.entry.given, v.entry.value = v.name, text
		return nil
	}
	v.set.failure = failure
	return failure
}

func (v *value) take(text string) *UsageError {
	if failure := v.repeated(text); failure != nil {
		return failure
	}
	if v.isFlag(text) {
		return &UsageError{Flag: v.name, Value: text, Reason: fmt.Sprintf(
			"needs an argument, and %q is a flag (if it is meant, write -%s=%s)", text, v.name, text)}
	}
	if err := v.entry.check(text); err != nil {
		return &UsageError{Flag: v.name, Value: text, Reason: err.Error(), cause: err}
	}
	return nil
}

func (v *value) repeated(text string) *UsageError {
	if v.entry.given == "" {
		return nil
	}
	reason := "is given twice"
	if v.entry.given != v.name {
		reason = "is given beside -" + v.entry.given + ", and they are the same flag"
	}
	if !v.IsBoolFlag() {
		reason += fmt.Sprintf(" (the second value is %q)", text)
	}
	return &UsageError{Flag: v.name, Value: text, Reason: reason}
}

// isFlag reports whether the text was meant as a flag of its own: -pidfile -daemon must not make a file named -daemon.
func (v *value) isFlag(text string) bool {
	if !strings.HasPrefix(text, "-") || strings.Contains(v.set.current(), "=") {
		return false
	}
	name, _ := spelled(text)
	return v.set.flags.Lookup(name) != nil
}
