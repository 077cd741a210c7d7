package kit

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
)

// TestUpstreamAnswersAsRecorded replays requests that a real dc_server was asked. It compares
// each answer, and the state of the connection after it, with what the real one did.
func TestUpstreamAnswersAsRecorded(t *testing.T) {
	text, err := os.ReadFile("../../../codec/testdata/dc_server.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Name  string
		Steps []struct {
			Send, Recv, State string
		}
	}
	if err := json.Unmarshal(text, &vectors); err != nil || len(vectors) == 0 {
		t.Fatalf("got %d vectors, %v, want some", len(vectors), err)
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			if v.Name == "add-expires" {
				return // the recorder paused in between; TestUpstreamExpires does not
			}
			c := Dial(t, NewUpstream(t, Unix(t)).Endpoint())
			for _, step := range v.Steps {
				c.Send(unhex(t, step.Send))
				c.Expect(unhex(t, step.Recv))
				if step.State == "closed" {
					c.ExpectClosed()
				}
			}
		})
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestUpstreamExpires(t *testing.T) {
	u := NewUpstream(t, Unix(t))
	c := Dial(t, u.Endpoint())
	began := time.Now()
	c.ExpectStatus(Add(1, "long", "data", time.Hour), codec.StatusOK)
	c.ExpectStatus(Add(2, "short", "data", 100*time.Millisecond), codec.StatusOK)
	Wait(t, Patience, "expiry", func() bool { return c.Answer(Have(3, "short"))[0] == byte(codec.StatusNotOK) })
	if took := time.Since(began); took < 100*time.Millisecond {
		t.Errorf("got it expired after %v, want no sooner than 100ms", took)
	}
	c.ExpectStatus(Have(4, "long"), codec.StatusOK)
	c.ExpectStatus(Add(5, "short", "again", time.Hour), codec.StatusOK)
}

// A dc_client probes a new connection with a HAVE of a random ID.
func TestUpstreamAnswersProbes(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, at Endpoint) {
		c := Dial(t, NewUpstream(t, at).Endpoint())
		for range 5 {
			c.ExpectStatus(Have(Random(t).Uint32(), "a random id"), codec.StatusNotOK)
		}
	})
}

func TestUpstreamSessions(t *testing.T) {
	u := NewUpstream(t, Unix(t))
	c := Dial(t, u.Endpoint())
	u.Put("put", "data", time.Hour)
	c.Send(Get(1, "put"))
	c.Expect(Hit(1, "data"))
	if !u.Has("put") || u.Has("other") {
		t.Errorf("got has %v, %v, want true, false", u.Has("put"), u.Has("other"))
	}
	u.Lose("put")
	c.ExpectStatus(Get(2, "put"), codec.StatusNotOK)
}

func TestUpstreamPipelined(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, at Endpoint) {
		u := NewUpstream(t, at)
		data := strings.Repeat("d", 300)
		u.Put("id", data, time.Hour)
		c := Dial(t, u.Endpoint())
		var asked, want []byte
		for uid := range uint32(3000) {
			asked = append(asked, Get(uid, "id")...)
			want = append(want, Hit(uid, data)...)
		}
		sent := make(chan error, 1)
		go func() { sent <- c.Write(asked) }()
		c.Expect(want)
		if err := <-sent; err != nil {
			t.Error(err)
		}
		if got := u.Asked(); got != 3000 {
			t.Errorf("got %d requests, want 3000", got)
		}
	})
}

func TestUpstreamStopAndStart(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, at Endpoint) {
		u := NewUpstream(t, at)
		at = u.Endpoint()
		c := Dial(t, at)
		c.ExpectStatus(Add(1, "id", "data", time.Hour), codec.StatusOK)
		u.Stop()
		c.ExpectClosed()
		if _, err := Connect(at); !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ENOENT) {
			t.Errorf("got %v while stopped, want it refused", err)
		}
		if u.Open() != 0 {
			t.Errorf("got %d open while stopped, want 0", u.Open())
		}
		u.Start()
		if u.Endpoint() != at {
			t.Errorf("got %v after the start, want %v", u.Endpoint(), at)
		}
		Dial(t, at).ExpectStatus(Have(2, "id"), codec.StatusOK)
	})
}

func TestUpstreamStartedTwice(t *testing.T) {
	u := NewUpstream(t, Unix(t))
	mustSay(t, whatFails(t, func(t testing.TB) { u.t = t; u.Start() }), "started twice")
	u.t = t
}

func TestUpstreamEndsConnections(t *testing.T) {
	u := NewUpstream(t, Loopback())
	a, b := Dial(t, u.Endpoint()), Dial(t, u.Endpoint())
	for _, c := range []*Client{a, b} {
		c.ExpectStatus(Have(1, "id"), codec.StatusNotOK)
	}
	u.CloseAll()
	a.ExpectClosed()
	b.ExpectClosed()
	c := Dial(t, u.Endpoint())
	c.ExpectStatus(Have(1, "id"), codec.StatusNotOK)
	u.ResetAll()
	if _, err := c.Read(1); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want %v", err, syscall.ECONNRESET)
	}
	Wait(t, Patience, "closing of all", func() bool { return u.Open() == 0 })
}

func TestUpstreamAnswersBeforeItCloses(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, at Endpoint) {
		u := NewUpstream(t, at)
		u.Put("id", "data", time.Hour)
		u.On(func(Request) bool { return true }).Do(Delay(20 * time.Millisecond))
		c := Dial(t, u.Endpoint())
		c.Send(Get(1, "id"), Get(2, "id"))
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		c.Expect(Hit(1, "data"), Hit(2, "data"))
		c.ExpectClosed()
	})
}

func TestExpectReplies(t *testing.T) {
	u := NewUpstream(t, Unix(t))
	u.Put("id", "honest", time.Hour)
	u.Expect(codec.OpGet, "id").Reply([]byte("scripted"))
	u.Expect(codec.OpGet, "id").Status(codec.StatusDisconnected)
	u.Expect(codec.OpAdd, "other").Times(2).Status(codec.StatusAddExists)
	c := Dial(t, u.Endpoint())
	c.ExpectStatus(Have(1, "id"), codec.StatusOK)
	c.Send(Get(2, "id"))
	c.Expect(Hit(2, "scripted"))
	c.ExpectStatus(Get(3, "id"), codec.StatusDisconnected)
	c.Send(Get(4, "id"))
	c.Expect(Hit(4, "honest"))
	for uid := range uint32(2) {
		c.ExpectStatus(Add(uid, "other", "data", time.Hour), codec.StatusAddExists)
	}
}

func TestExpectFailsTheTestWhenItDoesNotCome(t *testing.T) {
	tests := []struct {
		name   string
		script func(u *Upstream)
		want   string // "" when the test passes
	}{
		{"came", func(u *Upstream) { u.Expect(codec.OpGet, "id").Do(Pass) }, ""},
		{"another session", func(u *Upstream) { u.Expect(codec.OpGet, "id2").Do(Pass) }, `got no GET of "id2", or too few: want 1 more`},
		{"another operation", func(u *Upstream) { u.Expect(codec.OpHave, "id").Do(Pass) }, `got no HAVE of "id"`},
		{"too few", func(u *Upstream) { u.Expect(codec.OpGet, "id").Times(3).Do(Pass) }, "want 2 more"},
		{"forgiven", func(u *Upstream) { u.Expect(codec.OpGet, "id2").Do(Pass); u.Honest() }, ""},
		{"not expected", func(u *Upstream) { u.After(9).Times(2).Do(Drop) }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at := Unix(t)
			got := whatFails(t, func(t testing.TB) {
				u := NewUpstream(t, at)
				tt.script(u)
				Dial(t, at).ExpectStatus(Get(1, "id"), codec.StatusNotOK)
			})
			if tt.want == "" && got != "" {
				t.Errorf("got failed with %q, want it to pass", got)
			}
			mustSay(t, got, tt.want)
		})
	}
}

func TestAfterLetsTheFirstPass(t *testing.T) {
	u := NewUpstream(t, Unix(t))
	u.After(1).Status(codec.StatusDisconnected)
	for range 2 {
		c := Dial(t, u.Endpoint())
		c.ExpectStatus(Have(1, "probe"), codec.StatusNotOK)
		c.ExpectStatus(Have(2, "id"), codec.StatusDisconnected)
		c.ExpectStatus(Have(3, "id"), codec.StatusDisconnected)
	}
}

func TestAfterTimes(t *testing.T) {
	u := NewUpstream(t, Unix(t))
	u.After(0).Times(2).Status(codec.StatusDisconnected)
	c := Dial(t, u.Endpoint())
	c.ExpectStatus(Have(1, "id"), codec.StatusDisconnected)
	c.ExpectStatus(Have(2, "id"), codec.StatusDisconnected)
	c.ExpectStatus(Have(3, "id"), codec.StatusNotOK)
}

func TestOn(t *testing.T) {
	u := NewUpstream(t, Unix(t))
	u.On(func(q Request) bool { return q.UID%2 == 1 }).Reply([]byte("odd"))
	c := Dial(t, u.Endpoint())
	c.Send(Get(1, "id"), Get(2, "id"), Get(3, "id"))
	c.Expect(Hit(1, "odd"), Status(2, codec.OpGet, codec.StatusNotOK), Hit(3, "odd"))
}

func TestHonest(t *testing.T) {
	u := NewUpstream(t, Unix(t))
	u.After(0).Reply([]byte("rule"))
	u.OnConnect(Unsolicited(1))
	u.Honest()
	c := Dial(t, u.Endpoint())
	c.ExpectStatus(Get(1, "id"), codec.StatusNotOK)
}

func TestOnConnect(t *testing.T) {
	u := NewUpstream(t, Unix(t))
	u.OnConnect(func(x *Exchange) {
		if x.Conn == 1 {
			x.Write([]byte("hello"))
		}
	})
	c := Dial(t, u.Endpoint())
	c.Expect([]byte("hello"))
	c.ExpectStatus(Get(1, "id"), codec.StatusNotOK)
	Dial(t, u.Endpoint()).ExpectStatus(Get(1, "id"), codec.StatusNotOK)
}

// A pipe's reader gets what one write wrote, and so sees where writes end.
func TestPeerWritesPiecesAlone(t *testing.T) {
	near, far := net.Pipe()
	p := newPeer(nil, near, 1)
	x := &Exchange{peer: p}
	x.Write([]byte("to"))
	x.Write([]byte("gether"))
	x.Trickle([]byte("12345"), 2, 0)
	x.WriteAfter(0, []byte("alone"))
	x.Write([]byte("the end"))
	x.Close()
	done := make(chan struct{})
	go func() { defer close(done); p.write() }()
	b := make([]byte, 64)
	for _, want := range []string{"together", "12", "34", "5", "alone", "the end"} {
		_ = far.SetReadDeadline(time.Now().Add(Patience))
		if n, err := far.Read(b); string(b[:n]) != want || err != nil {
			t.Errorf("got %q, %v in one write, want %q", b[:n], err, want)
		}
	}
	<-done
}
