package sessiond

import (
	"encoding/binary"
	"time"
)

// The wire.
const (
	Version    = 1
	KeyLen     = 32
	HeaderSize = 4 + KeyLen            // bytes before the value
	MaxValue   = 512                   // what stunnel sends, and takes of an answer
	MaxPacket  = HeaderSize + MaxValue // bytes
)

// Type is what a packet is.
type Type uint8

// The types.
const (
	New      Type = 0 // keep a session
	Get      Type = 1
	Remove   Type = 2
	NotFound Type = 0x80
	Found    Type = 0x81
)

// String gives the name used in logs and metrics.
func (t Type) String() string {
	switch t {
	case New:
		return "new"
	case Get:
		return "get"
	case Remove:
		return "remove"
	case NotFound:
		return "not-found"
	case Found:
		return "found"
	}
	return "unknown"
}

// Packet is a datagram. Key and Value are views of its bytes.
type Packet struct {
	Type    Type
	Timeout time.Duration // of a new session: whole seconds, up to 18 hours
	Key     []byte        // KeyLen bytes
	Value   []byte        // up to MaxValue bytes
}

// ParseRequest reads a datagram of a client: New has a value, Get and Remove have none. Their
// timeout is not looked at.
func ParseRequest(b []byte) (Packet, Fault) {
	p, fault := parse(b)
	switch {
	case fault != OK:
		return Packet{}, fault
	case p.Type > Remove:
		return Packet{}, BadType
	case (p.Type == New) != (len(p.Value) > 0):
		return Packet{}, BadValue
	}
	return p, OK
}

// ParseResponse reads the answer to a Get, by stunnel's rules: Found may come without a value.
func ParseResponse(b []byte) (Packet, Fault) {
	p, fault := parse(b)
	switch {
	case fault != OK:
		return Packet{}, fault
	case p.Type != Found && p.Type != NotFound:
		return Packet{}, BadType
	case p.Type == NotFound && len(p.Value) > 0:
		return Packet{}, BadValue
	}
	return p, OK
}

func parse(b []byte) (Packet, Fault) {
	switch {
	case len(b) < HeaderSize:
		return Packet{}, TooShort
	case len(b) > MaxPacket:
		return Packet{}, TooLong
	case b[0] != Version:
		return Packet{}, BadVersion
	}
	p := Packet{Type: Type(b[1]), Timeout: time.Duration(binary.BigEndian.Uint16(b[2:])) * time.Second,
		Key: b[4:HeaderSize:HeaderSize], Value: b[HeaderSize:]}
	if isZero(p.Key) {
		return Packet{}, BadKey
	}
	return p, OK
}

func isZero(key []byte) bool {
	for _, b := range key {
		if b != 0 {
			return false
		}
	}
	return true
}

// Append appends a packet in its wire form to dst. p.Key has KeyLen bytes; nothing else is checked.
func Append(dst []byte, p Packet) []byte {
	dst = append(dst, Version, byte(p.Type))
	dst = binary.BigEndian.AppendUint16(dst, uint16(p.Timeout/time.Second))
	dst = append(dst, p.Key[:KeyLen]...)
	return append(dst, p.Value...)
}

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
