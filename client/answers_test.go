package client

import (
	"errors"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// ask makes the operation and returns its error; Have's false is ErrNotFound.
func ask(t *testing.T, c *Client, op codec.Op) error {
	t.Helper()
	id := []byte("id")
	switch op {
	case codec.OpAdd:
		return c.Add(t.Context(), id, []byte("data"), time.Minute)
	case codec.OpGet:
		_, err := c.Get(t.Context(), id)
		return err
	case codec.OpRemove:
		return c.Remove(t.Context(), id)
	}
	have, err := c.Have(t.Context(), id)
	if err == nil && !have {
		return ErrNotFound
	}
	return err
}

// TestAnswers: what each payload means, and that the connection outlives all but nonsense.
func TestAnswers(t *testing.T) {
	const add, get, remove, have = codec.OpAdd, codec.OpGet, codec.OpRemove, codec.OpHave
	tests := []struct {
		name    string
		op      codec.Op
		payload string
		want    error
	}{
		{"add", add, "\x00", nil},
		{"add NOTOK", add, "\x01", ErrRejected},
		{"add DISCONNECTED", add, "\x02", ErrDisconnected},
		{"add CORRUPT", add, "\x64", ErrRejected},
		{"add EXISTS", add, "\x65", ErrExists},
		{"add TIMEOUT_RANGE", add, "\x66", ErrRejected},
		{"add ID_LENGTH", add, "\x67", ErrRejected},
		{"add DATA_LENGTH", add, "\x68", ErrRejected},
		{"add with an unknown status", add, "\x69", ErrProtocol},
		{"add with an empty answer", add, "", ErrDisconnected},
		{"add with two bytes", add, "\x00\x00", ErrProtocol},
		{"get", get, "data", nil},
		{"get of one byte", get, "\x00", nil},
		{"get of one byte 3", get, "\x03", nil},
		{"get of four bytes", get, "\x01\x01\x01\x01", nil},
		{"get NOTOK", get, "\x01", ErrNotFound},
		{"get DISCONNECTED", get, "\x02", ErrDisconnected},
		{"get with an empty answer", get, "", ErrDisconnected},
		{"remove", remove, "\x00", nil},
		{"remove NOTOK", remove, "\x01", ErrNotFound},
		{"remove DISCONNECTED", remove, "\x02", ErrDisconnected},
		{"remove with an empty answer", remove, "", ErrDisconnected},
		{"remove with an unknown status", remove, "\x64", ErrProtocol},
		{"have", have, "\x00", nil},
		{"have NOTOK", have, "\x01", ErrNotFound},
		{"have DISCONNECTED", have, "\x02", ErrDisconnected},
		{"have with an empty answer", have, "", ErrDisconnected},
		{"have with five bytes", have, "12345", ErrProtocol},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			up := kit.NewUpstream(t, kit.Unix(t))
			c := open(t, up.Endpoint(), Options{Persistent: true, Retry: true})
			up.Expect(test.op, "id").Reply([]byte(test.payload))
			wantErr(t, test.name, ask(t, c, test.op), test.want)
			wantHave(t, c, []byte("other"), false)
			conns := 1
			if test.want == ErrProtocol {
				conns = 2
			}
			wantConns(t, up, conns)
		})
	}
}

// TestGetOfOneByte: what is not a status is the session.
func TestGetOfOneByte(t *testing.T) {
	up := kit.NewUpstream(t, kit.Unix(t))
	c := open(t, up.Endpoint(), Options{})
	up.Put("id", "\x00", time.Minute)
	if got, err := c.Get(t.Context(), []byte("id")); string(got) != "\x00" || err != nil {
		t.Errorf("got %q, %v, want the byte 0", got, err)
	}
}

// TestInvalidAnswers: they are never believed, and end the connection.
func TestInvalidAnswers(t *testing.T) {
	tests := []struct {
		name    string
		fault   kit.Fault
		want    error
		corrupt bool // the error wraps a *codec.CorruptError
	}{
		{"other uid", kit.WrongUID, ErrProtocol, false},
		{"other operation", kit.WrongOp, ErrProtocol, false},
		{"other version", kit.WrongVersion, ErrProtocol, true},
		{"request", kit.AsRequest, ErrProtocol, true},
		{"two uids", kit.MixedUIDs, ErrProtocol, true},
		{"frame too long", kit.Oversized, ErrProtocol, true},
		{"17 frames", kit.SeventeenFrames, ErrProtocol, true},
		{"HTTP", kit.HTTP, ErrProtocol, true},
		{"answer to nothing first", kit.Unsolicited(1), ErrProtocol, false},
		{"nothing", kit.CloseUnanswered, ErrDisconnected, false},
		{"RST", kit.ResetUnanswered, ErrDisconnected, false},
		{"one byte", kit.Cut(1), ErrDisconnected, false},
		{"all but a byte", kit.Cut(codec.HeaderSize + 3), ErrDisconnected, false},
		{"RST after a byte", kit.CutReset(1), ErrDisconnected, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			up := kit.NewUpstream(t, kit.Loopback())
			up.Put("id", "data", time.Minute)
			c := open(t, up.Endpoint(), Options{Persistent: true, Retry: true})
			up.Expect(codec.OpGet, "id").Do(test.fault)
			err := ask(t, c, codec.OpGet)
			wantErr(t, "the answer", err, test.want)
			var corrupt *codec.CorruptError
			if errors.As(err, &corrupt) != test.corrupt {
				t.Errorf("got error %v, want one with a *codec.CorruptError: %v", err, test.corrupt)
			}
			wantErr(t, "the next", ask(t, c, codec.OpGet), nil)
			wantConns(t, up, 2)
			wantOpen(t, up, 1)
		})
	}
}

// TestAnswerInPieces: whatever the pieces, it is the same.
func TestAnswerInPieces(t *testing.T) {
	up := kit.NewUpstream(t, kit.Unix(t))
	up.Put("id", "data", time.Minute)
	up.On(func(kit.Request) bool { return true }).Do(kit.ByteByByte)
	c := open(t, up.Endpoint(), Options{Persistent: true})
	for range 2 {
		wantErr(t, "Get", ask(t, c, codec.OpGet), nil)
	}
	wantConns(t, up, 1)
}

// TestSecondAnswer: what comes behind an answer is not taken for the next one's.
func TestSecondAnswer(t *testing.T) {
	up := kit.NewUpstream(t, kit.Unix(t))
	up.Put("id", "data", time.Minute)
	c := open(t, up.Endpoint(), Options{Persistent: true})
	up.Expect(codec.OpGet, "id").Do(kit.Duplicate)
	for range 2 {
		wantErr(t, "Get", ask(t, c, codec.OpGet), nil)
		wantErr(t, "Remove of another", c.Remove(t.Context(), []byte("other")), ErrNotFound)
	}
	wantConns(t, up, 2)
}
