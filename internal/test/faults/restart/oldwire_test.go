package restart

import (
	"errors"
	"io"
	"net"

	"distcache/codec"
)

// The old tools, in fakes: what they do on the wire, by PROTOCOL.md. Both read with a
// buffer of 4,096 bytes and take a frame as whole while up to 4 of its last bytes are
// still missing.
const (
	oldBuffer   = 4096
	oldForgives = 4
)

// errTornFrame is returned when an old tool takes a frame as whole that is not: it would go
// on with what was in its memory before.
var errTornFrame = errors.New("an old tool took a frame as whole too early")

// oldReader reads messages as the old tools do.
type oldReader struct {
	sock net.Conn
	buf  []byte
}

// next gives the next message in wire form.
func (r *oldReader) next() (wire []byte, err error) {
	for {
		frame, err := r.frame()
		if err != nil {
			return nil, err
		}
		wire = append(wire, frame...)
		if frame[11] == 1 { // complete
			return wire, nil
		}
	}
}

func (r *oldReader) frame() ([]byte, error) {
	for {
		if size := r.size(); size > 0 && len(r.buf)+oldForgives >= size {
			if len(r.buf) < size {
				return nil, errTornFrame
			}
			frame := append([]byte(nil), r.buf[:size]...)
			r.buf = append(r.buf[:0], r.buf[size:]...)
			return frame, nil
		}
		if err := r.read(); err != nil {
			return nil, err
		}
	}
}

// size is that of the frame at the start of the buffer, 0 while its header is not there.
func (r *oldReader) size() int {
	if len(r.buf) < codec.HeaderSize {
		return 0
	}
	return codec.HeaderSize + int(r.buf[12])<<8 + int(r.buf[13])
}

// read fills the buffer, which never holds more than oldBuffer.
func (r *oldReader) read() error {
	room := make([]byte, oldBuffer-len(r.buf))
	n, err := r.sock.Read(room)
	r.buf = append(r.buf, room[:n]...)
	if n > 0 {
		return nil
	}
	return err
}

// tears reports whether an old tool tears a message with a payload of that size.
func tears(payload int) bool {
	last := payload % codec.MaxFrameData
	return payload > codec.MaxFrameData && last >= 2021 && last <= 2024
}

// parseWire is the message in wire.
func parseWire(dir codec.Direction, wire []byte) (codec.Message, error) {
	a := codec.NewAssembler(dir)
	return a.Next(wire)
}

// oldAsk is libdistcache 1.5: a connection for one request, answered under the uid that it
// chose, without a time limit.
func oldAsk(network, address string, uid uint32, op codec.Op, payload []byte) ([]byte, error) {
	sock, err := net.Dial(network, address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sock.Close() }()
	if _, err := sock.Write(codec.AppendMessage(nil, codec.Request, uid, op, payload)); err != nil {
		return nil, err
	}
	wire, err := (&oldReader{sock: sock}).next()
	if err != nil {
		return nil, err
	}
	m, err := parseWire(codec.Response, wire)
	if err != nil {
		return nil, err
	}
	if m.UID != uid || m.Op != op {
		return nil, io.ErrUnexpectedEOF // it would wait for ever
	}
	return m.Payload(nil), nil
}
