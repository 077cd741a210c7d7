package client

import (
	"fmt"
	"time"

	"distcache/codec"
)

// MaxData is the most bytes a session may have when its ID has idLen: an ADD carries both,
// and a message carries 32,768 bytes in all. It is 32,728 for IDs of 32 bytes.
func MaxData(idLen int) int { return codec.MaxPayload - codec.AddOverhead - idLen }

// checkID returns an error that wraps ErrID, or nil.
func checkID(id []byte) error {
	if !codec.ValidID(id) {
		return fmt.Errorf("%w, not %d", ErrID, len(id))
	}
	return nil
}

// checkAdd returns an error that wraps ErrID, ErrData or ErrTTL, or nil.
func checkAdd(a codec.Add) error {
	if err := checkID(a.ID); err != nil {
		return err
	}
	switch n := len(a.Data); {
	case n == 0 || n > MaxData(len(a.ID)):
		return fmt.Errorf("%w: with an ID of %d bytes it has 1 to %d bytes, not %d", ErrData, len(a.ID), MaxData(len(a.ID)), n)
	case isFailure(a.Data):
		return fmt.Errorf("%w: in the answer to a GET the one byte %d means %v", ErrData, a.Data[0], codec.Status(a.Data[0]))
	case a.Timeout < time.Millisecond || a.Timeout > codec.MaxTimeout:
		return fmt.Errorf("%w, not for %v", ErrTTL, a.Timeout)
	}
	return nil
}

// isFailure reports whether the payload of an answer to a GET is a status. One byte of any
// other value is a session: those codes are not given to a GET (PROTOCOL.md, “Operations”).
func isFailure(payload []byte) bool {
	if len(payload) != 1 {
		return false
	}
	s := codec.Status(payload[0])
	return s == codec.StatusNotOK || s == codec.StatusDisconnected
}
