package client

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

func TestLimitsAreCheckedBeforeAnythingIsSent(t *testing.T) {
	up := kit.NewUpstream(t, kit.Unix(t))
	c := open(t, up.Endpoint(), Options{})
	id, data, ttl := []byte("id"), []byte("data"), time.Minute
	long := make([]byte, codec.MaxIDLen+1)
	add := func(id, data []byte, ttl time.Duration) error { return c.Add(t.Context(), id, data, ttl) }
	get := func(id []byte) error { _, err := c.Get(t.Context(), id); return err }
	have := func(id []byte) error { _, err := c.Have(t.Context(), id); return err }
	remove := func(id []byte) error { return c.Remove(t.Context(), id) }
	tests := []struct {
		name string
		got  error
		op   codec.Op
		want error
	}{
		{"add without id", add(nil, data, ttl), codec.OpAdd, ErrID},
		{"add with a long id", add(long, data, ttl), codec.OpAdd, ErrID},
		{"add without data", add(id, nil, ttl), codec.OpAdd, ErrData},
		{"add of long data", add(id, make([]byte, MaxData(len(id))+1), ttl), codec.OpAdd, ErrData},
		{"add of the byte 1", add(id, []byte{1}, ttl), codec.OpAdd, ErrData},
		{"add of the byte 2", add(id, []byte{2}, ttl), codec.OpAdd, ErrData},
		{"add for nothing", add(id, data, 0), codec.OpAdd, ErrTTL},
		{"add for a negative time", add(id, data, -time.Second), codec.OpAdd, ErrTTL},
		{"add for less than a millisecond", add(id, data, time.Millisecond-1), codec.OpAdd, ErrTTL},
		{"add for over 7 days", add(id, data, codec.MaxTimeout+1), codec.OpAdd, ErrTTL},
		{"get without id", get(nil), codec.OpGet, ErrID},
		{"get with a long id", get(long), codec.OpGet, ErrID},
		{"have without id", have(nil), codec.OpHave, ErrID},
		{"have with a long id", have(long), codec.OpHave, ErrID},
		{"remove without id", remove(nil), codec.OpRemove, ErrID},
		{"remove with a long id", remove(long), codec.OpRemove, ErrID},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wantErr(t, test.name, test.got, test.want)
			var e *Error
			if !errors.As(test.got, &e) || e.Op != test.op || e.Address != up.Endpoint().String() || e.Retried {
				t.Errorf("got %#v, want an *Error of %v at %v", test.got, test.op, up.Endpoint())
			}
		})
	}
	if up.Conns() != 0 {
		t.Errorf("got %d connections, want none", up.Conns())
	}
}

func TestSizesWithinTheLimitsPass(t *testing.T) {
	up := kit.NewUpstream(t, kit.Unix(t))
	c := open(t, up.Endpoint(), Options{Persistent: true})
	tests := []struct{ name, id, data string }{
		{"smallest", "i", "\x00"},
		{"one byte that is a status of ADD", "j", "\x64"},
		{"one full frame of answer", "k", strings.Repeat("d", codec.MaxFrameData)},
		{"two frames of answer", "l", strings.Repeat("d", codec.MaxFrameData+1)},
		{"largest, longest id", strings.Repeat("i", 64), strings.Repeat("d", MaxData(64))},
		{"largest, shortest id", "m", strings.Repeat("d", MaxData(1))},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wantErr(t, "Add", c.Add(t.Context(), []byte(test.id), []byte(test.data), time.Minute), nil)
			got, err := c.Get(t.Context(), []byte(test.id))
			wantErr(t, "Get", err, nil)
			if !bytes.Equal(got, []byte(test.data)) {
				t.Errorf("got %d bytes, want the %d that were added", len(got), len(test.data))
			}
		})
	}
	wantConns(t, up, 1)
}

func TestTimeToLiveIsCutToMilliseconds(t *testing.T) {
	up := kit.NewUpstream(t, kit.Unix(t))
	c := open(t, up.Endpoint(), Options{})
	tests := []struct {
		name      string
		ttl, want time.Duration
	}{
		{"shortest", time.Millisecond, time.Millisecond},
		{"fraction", 2*time.Millisecond - 1, time.Millisecond},
		{"minute", time.Minute + 999*time.Microsecond, time.Minute},
		{"longest", codec.MaxTimeout, codec.MaxTimeout},
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wantErr(t, "Add", c.Add(t.Context(), []byte(test.name), []byte("data"), test.ttl), nil)
			a, status := codec.ParseAdd(up.Requests()[i].Wire[codec.HeaderSize:])
			if status != codec.StatusOK || a.Timeout != test.want {
				t.Errorf("got %v, %v sent, want %v", a.Timeout, status, test.want)
			}
		})
	}
}
