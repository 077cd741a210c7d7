package seal

import "errors"

// The reasons why a value does not open.
var (
	// ErrShort is returned when a value is shorter than any sealed one, or of another version.
	ErrShort = errors.New("the value is not a sealed session")
	// ErrUnknownKey is returned when a value names a key that the Keys do not have.
	ErrUnknownKey = errors.New("the value is sealed with a key that is not in the key file")
	// ErrForged is returned when a value was changed, or sealed for another session ID.
	ErrForged = errors.New("the value was changed, or belongs to another session")
)

// The reasons why a text of keys is refused. They hold nothing of a key.
var (
	errLine    = errors.New(`a line is “id” or “key”, a space, and 64 hexadecimal digits`)
	errTwoIDs  = errors.New("there are two id lines, and one is the most")
	errNoID    = errors.New("there is no id line")
	errNoKey   = errors.New("there is no key line")
	errTwice   = errors.New("the same 64 digits are there twice")
	errTooMany = errors.New("there are more than 16 key lines")
)
