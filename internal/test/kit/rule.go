package kit

import (
	"fmt"
	"testing"

	"distcache/codec"
)

// Rule says what an Upstream does with some requests in place of the honest answer. It
// takes effect with Reply, Status or Do. When several fit a request, the oldest that is
// not used up counts.
type Rule struct {
	up       *Upstream
	what     string // for the message when it never came
	fits     func(Request) bool
	fault    Fault
	left     int  // requests that it is still for, negative: all
	expected bool // the test fails when they do not come
}

// Expect is a rule for one request of that operation on that session. The test fails
// when it has not come by the end.
func (u *Upstream) Expect(op codec.Op, id string) *Rule {
	fits := func(q Request) bool { return q.Op == op && q.ID == id }
	return &Rule{up: u, what: fmt.Sprintf("%v of %q", op, id), fits: fits, left: 1, expected: true}
}

// After is a rule for all requests of each connection but its first n.
func (u *Upstream) After(n int) *Rule {
	return u.On(func(q Request) bool { return q.Number > n })
}

// On is a rule for all requests that fit. fits runs in the goroutine of the request's
// connection; of the Upstream it may only read what was recorded.
func (u *Upstream) On(fits func(Request) bool) *Rule {
	return &Rule{up: u, fits: fits, left: -1}
}

// Times makes the rule one for n requests.
func (r *Rule) Times(n int) *Rule {
	r.left = n
	return r
}

// Reply answers with that payload.
func (r *Rule) Reply(payload []byte) { r.Do(Reply(payload)) }

// Status answers with that status byte.
func (r *Rule) Status(s codec.Status) { r.Do(Reply([]byte{byte(s)})) }

// Do does anything.
func (r *Rule) Do(fault Fault) {
	r.up.mu.Lock()
	defer r.up.mu.Unlock()
	r.fault = fault
	r.up.rules = append(r.up.rules, r)
}

// OnConnect does something with each connection accepted from now on, before it reads;
// x.Request and x.Answer are empty then. Nil: nothing.
func (u *Upstream) OnConnect(fault Fault) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.greet = fault
}

// Honest drops all rules, and what OnConnect set; expected requests that did not come
// are forgiven.
func (u *Upstream) Honest() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.rules, u.greet = nil, nil
}

// fault gives what is to be done with q: Pass when no rule fits.
func (u *Upstream) fault(q Request) Fault {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, r := range u.rules {
		if r.left != 0 && r.fits(q) {
			r.left--
			return r.fault
		}
	}
	return Pass
}

func (r *Rule) judge(t testing.TB) {
	if r.expected && r.left > 0 {
		t.Errorf("got no %s, or too few: want %d more", r.what, r.left)
	}
}
