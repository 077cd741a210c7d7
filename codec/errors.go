package codec

import "errors"

// ErrShort is returned when the bytes are a valid beginning and more are needed.
// Nothing has been consumed.
var ErrShort = errors.New("more bytes needed")

// CorruptError is returned when the bytes cannot be the beginning of anything valid.
// The receiver closes that connection, and no other
// (PROTOCOL.md, “Frame”).
type CorruptError struct {
	Field  string // the header field, as PROTOCOL.md names it
	Reason string
}

// Error names the field and the reason.
func (e *CorruptError) Error() string { return "corrupt " + e.Field + ": " + e.Reason }

// Each CorruptError is made once, so that a hostile peer costs no allocation.
var (
	errVersion      = &CorruptError{"proto_level", "the version is not 0x0011"}
	errNotRequest   = &CorruptError{"is_response", "want a request (0)"}
	errNotResponse  = &CorruptError{"is_response", "want a response (1)"}
	errClass        = &CorruptError{"op_class", "not 0 (user)"}
	errOperation    = &CorruptError{"operation", "not one of 0 to 3"}
	errComplete     = &CorruptError{"complete", "neither 0 nor 1"}
	errDataLen      = &CorruptError{"data_len", "over 2048"}
	errShortFrame   = &CorruptError{"data_len", "an incomplete frame with other than 2048 bytes"}
	errPayload      = &CorruptError{"data_len", "the message is over 32768 bytes"}
	errUIDChanged   = &CorruptError{"request_uid", "it changes within a message"}
	errOpChanged    = &CorruptError{"operation", "it changes within a message"}
	errNotOneStatus = &CorruptError{"data_len", "the answer is not one status byte"}
)

// fields are those of CorruptErrors.
var fields = [NumFields - 1]string{"proto_level", "is_response", "request_uid", "op_class", "operation", "complete", "data_len"}

// NumFields is the number of fields that a CorruptError can name, and one more for errors that are
// none: tables by FieldIndex have this length.
const NumFields = 8

// FieldIndex is the place of a CorruptError in tables by field.
func FieldIndex(err error) int {
	corrupt := (*CorruptError)(nil)
	if errors.As(err, &corrupt) {
		for i, field := range fields {
			if field == corrupt.Field {
				return i
			}
		}
	}
	return NumFields - 1
}

// FieldAt is the name of the field with that index.
func FieldAt(index int) string {
	if index < len(fields) {
		return fields[index]
	}
	return "other"
}
