package client

import (
	"fmt"

	"distcache/codec"
)

// judgeAdd, judgeGet and judgeFound say what the answer to an ADD, a GET, and a REMOVE or
// HAVE means, by its payload (PROTOCOL.md, “Operations”): nil is success.

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

// statusOf reads an answer as one status byte, and takes out DISCONNECTED. An empty answer
// is how an old dc_client says that (PROTOCOL.md, “What dc_client does to a frame”).
func statusOf(answer []byte) (codec.Status, error) {
	switch len(answer) {
	case 0:
		return 0, fmt.Errorf("%w: the agent gave an empty answer, as one without a server does", ErrDisconnected)
	case 1:
		if s := codec.Status(answer[0]); s != codec.StatusDisconnected {
			return s, nil
		}
		return 0, fmt.Errorf("%w: the agent answered %v", ErrDisconnected, codec.StatusDisconnected)
	}
	return 0, fmt.Errorf("%w: %d bytes in place of a status", ErrProtocol, len(answer))
}

func unknown(s codec.Status) error { return fmt.Errorf("%w: the status %v", ErrProtocol, s) }
