package codec

import "strconv"

// Op is the operation of a request and of its answer (PROTOCOL.md, “Frame”, byte 10).
type Op uint8

// The operations of the user class.
const (
	OpAdd    Op = 0
	OpGet    Op = 1
	OpRemove Op = 2
	OpHave   Op = 3
)

// NumOps is the number of operations: tables by operation have this length.
const NumOps = 4

// Valid reports whether o is an operation of the protocol.
func (o Op) Valid() bool { return o < NumOps }

// String gives the protocol's name, in capitals.
func (o Op) String() string {
	switch o {
	case OpAdd:
		return "ADD"
	case OpGet:
		return "GET"
	case OpRemove:
		return "REMOVE"
	case OpHave:
		return "HAVE"
	}
	return "Op(" + strconv.Itoa(int(o)) + ")"
}
