package kit

import (
	"testing"
	"time"

	"distcache/codec"
)

// TestLoadFindsWrongAnswers plants each kind of wrong answer.
func TestLoadFindsWrongAnswers(t *testing.T) {
	for _, row := range []struct {
		name  string
		fault Fault
		want  string // "": nothing is wrong
	}{
		{"honest", Pass, ""},
		{"DISCONNECTED", Reply([]byte{byte(codec.StatusDisconnected)}), ""},
		{"the session is lost", Reply([]byte{byte(codec.StatusNotOK)}), ""},
		{"another's data", Reply([]byte("another's")), "own data"},
		{"one byte is wrong", FlipByte, "own data"},
		{"another's uid", WrongUID, "the answer to GET"},
		{"the end", CloseUnanswered, "EOF"},
	} {
		t.Run(row.name, func(t *testing.T) {
			up := NewUpstream(t, Loopback())
			up.On(func(q Request) bool { return q.Op == codec.OpGet }).Do(row.fault)
			said := whatFails(t, func(t testing.TB) {
				l := StartLoad(t, up.Endpoint(), 3, time.Millisecond)
				Wait(t, Patience, "requests", func() bool { return up.Asked() >= 6 }) // an ADD and a GET of each
				l.Stop()
			})
			switch {
			case row.want == "" && said != "":
				t.Errorf("got failed with %q, want it passed", said)
			case row.want != "":
				mustSay(t, said, row.want)
			}
		})
	}
}

func TestLoadTimes(t *testing.T) {
	up := NewUpstream(t, Loopback())
	up.On(func(q Request) bool { return true }).Do(Delay(30 * time.Millisecond))
	l := StartLoad(t, up.Endpoint(), 1, time.Millisecond)
	began := time.Now()
	if first := l.FirstServed(Patience, began); first < 30*time.Millisecond {
		t.Errorf("got the first answer after %v, want 30ms at the least", first)
	}
	all := l.Stop()
	if len(l.Since(time.Now())) != 0 || len(l.Since(began)) == 0 {
		t.Error("got outcomes of the future, or none since the beginning")
	}
	if got := Slowest(all); got < Quantile(all, 0.5) || Quantile(all, 0.5) < 30*time.Millisecond {
		t.Errorf("got %v at the most and %v in the median, want 30ms at the least", got, Quantile(all, 0.5))
	}
}
