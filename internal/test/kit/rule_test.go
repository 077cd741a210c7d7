package kit

import (
	"testing"
	"time"

	"distcache/codec"
)

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
