package client

import (
	"fmt"
	"time"

	"distcache/codec"
)

// MaxData is the greatest length of a session, in bytes, when its ID has idLen bytes. An ADD
// carries both in a message of at most 32,768 bytes: 32,728 are left beside an ID of 32.
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
		return fmt.Errorf("%w: with an ID of %d bytes, data has 1 to %d bytes, not %d", ErrData, len(a.ID), MaxData(len(a.ID)), n)
	case isFailure(a.Data):
		return fmt.Errorf("%w: a GET could not tell the single byte %d from the status %v", ErrData, a.Data[0], codec.Status(a.Data[0]))
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

// judgeAdd, judgeGet and judgeFound return the error that the payload of an answer to an
// ADD, a GET, and a REMOVE or HAVE stands for (PROTOCOL.md, “Operations”); nil is success.

func judgeAdd(answer []byte) error {
	s, err := statusOf(answer)
	switch {
	case err != nil:
		return err
	case s == codec.StatusOK:
		return nil
	case s == codec.StatusAddExists:
		return ErrExists
	case s == codec.StatusNotOK || s >= codec.StatusAddCorrupt && s <= codec.StatusAddDataLen:
		return fmt.Errorf("%w: it answered %v", ErrRejected, s)
	}
	return unknown(s)
}

func judgeGet(answer []byte) error {
	if len(answer) > 0 && !isFailure(answer) {
		return nil
	}
	return judgeFound(answer)
}

func judgeFound(answer []byte) error {
	s, err := statusOf(answer)
	switch {
	case err != nil:
		return err
	case s == codec.StatusOK:
		return nil
	case s == codec.StatusNotOK:
		return ErrNotFound
	}
	return unknown(s)
}

// statusOf reads an answer as one status byte. DISCONNECTED becomes ErrDisconnected. An old
// dc_client sends an empty answer instead (PROTOCOL.md, “What dc_client does to a frame”).
func statusOf(answer []byte) (codec.Status, error) {
	switch len(answer) {
	case 0:
		return 0, fmt.Errorf("%w: the agent sent an empty answer, so it has no server", ErrDisconnected)
	case 1:
		if s := codec.Status(answer[0]); s != codec.StatusDisconnected {
			return s, nil
		}
		return 0, fmt.Errorf("%w: the agent answered %v", ErrDisconnected, codec.StatusDisconnected)
	}
	return 0, fmt.Errorf("%w: want one status byte, got %d bytes", ErrProtocol, len(answer))
}

func unknown(s codec.Status) error { return fmt.Errorf("%w: unknown status %v", ErrProtocol, s) }
