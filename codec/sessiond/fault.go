package sessiond

// Fault is what is wrong with a datagram.
type Fault uint8

// The faults. OK is none.
const (
	OK         Fault = iota
	TooShort         // under HeaderSize bytes
	TooLong          // over MaxPacket bytes
	BadVersion       // not 1
	BadType          // none of the direction
	BadKey           // all zeros: no session
	BadValue         // a new session without one, or a value where none belongs

	// NumFaults is the number of faults: tables by fault have this length.
	NumFaults
)

// String gives the name used in metrics.
func (f Fault) String() string {
	switch f {
	case OK:
		return "ok"
	case TooShort:
		return "short"
	case TooLong:
		return "long"
	case BadVersion:
		return "version"
	case BadType:
		return "type"
	case BadKey:
		return "key"
	case BadValue:
		return "value"
	}
	return "unknown"
}
