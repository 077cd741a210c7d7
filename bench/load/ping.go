package load

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"distcache/codec"
	"distcache/codec/address"
)

var (
	// ErrSilent is returned by Ping when the service accepts the request and gives no answer.
	ErrSilent = errors.New("no answer")
	// ErrOddAnswer is returned by Ping when what comes back is no answer to the request.
	ErrOddAnswer = errors.New("wrong answer: not a distcache service?")
	// ErrAlone is returned by Ping when a dc_client answers that it has no dc_server.
	ErrAlone = errors.New("dc_client answers, but it is not connected to dc_server")
)

// Ping asks a service for a session that cannot exist, with one HAVE, and returns nil when it answers. limit is for the
// connection and the answer together, and begins after the look-up of a name. The errors are ErrResolve, ErrUnreachable and
// those above; the text names the address.
func Ping(ctx context.Context, a address.Address, limit time.Duration) error {
	at := a
	if a.Kind == address.TCP {
		found, err := lookUp(ctx, a)
		if err != nil {
			return err
		}
		at.Host = found.Addr().String()
	}
	deadline := time.Now().Add(limit)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	socket, err := at.Dial(ctx)
	if err != nil {
		return fmt.Errorf("%w to %v: %w", ErrUnreachable, a, err)
	}
	defer socket.Close()
	_ = socket.SetDeadline(deadline) // not closed yet, so it cannot fail
	if err := ping(socket); err != nil {
		return fmt.Errorf("%v: %w", a, err)
	}
	return nil
}

// ping sends a probe and takes the answer.
func ping(socket net.Conn) error {
	id := append([]byte(codec.ProbeMark), make([]byte, codec.ProbeIDLen-len(codec.ProbeMark))...)
	var random [4]byte
	_, _ = rand.Read(id[len(codec.ProbeMark):]) // never fails
	_, _ = rand.Read(random[:])
	uid := binary.BigEndian.Uint32(random[:])
	if _, err := socket.Write(codec.AppendMessage(nil, codec.Request, uid, codec.OpHave, id)); err != nil {
		return silence(err)
	}
	m, err := readAnswer(socket)
	if err != nil {
		return err
	}
	if m.UID != uid || m.Op != codec.OpHave {
		return ErrOddAnswer
	}
	status, err := codec.ParseStatus(m)
	switch {
	case m.PayloadLen == 0, err == nil && status == codec.StatusDisconnected: // empty: an old dc_client
		return ErrAlone
	case err == nil && (status == codec.StatusOK || status == codec.StatusNotOK):
		return nil
	}
	return ErrOddAnswer
}

func readAnswer(socket net.Conn) (codec.Message, error) {
	answers := codec.NewAssembler(codec.Response)
	for b := make([]byte, 0, codec.MaxMessageSize); ; {
		n, err := socket.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if m, err := answers.Next(b); err != codec.ErrShort {
			if err != nil {
				err = fmt.Errorf("%w (%w)", ErrOddAnswer, err)
			}
			return m, err
		}
		if err != nil {
			return codec.Message{}, silence(err)
		}
	}
}

// silence tells an answer that is late from a connection that was closed.
func silence(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w in time", ErrSilent)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w: the connection was closed", ErrSilent)
	}
	return fmt.Errorf("%w: %w", ErrSilent, err)
}
