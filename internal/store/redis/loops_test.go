package redis

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/store"
	"distcache/internal/store/seal"
)

// still is a loop, servers, an observer and clients that cost nothing: what is left is the Store.
type still struct{ answered int }

func (s *still) Post(fn func()) error                                               { fn(); return nil }
func (s *still) EndTurn()                                                           {}
func (s *still) Now() time.Duration                                                 { return 0 }
func (s *still) Link(string) Link                                                   { return &instant{} }
func (s *still) Topology(_ bool, found func(topology, error))                       { found(one(Single, "a:1"), nil) }
func (s *still) Close()                                                             {}
func (s *still) StoreChanged(Change, time.Duration)                                 {}
func (s *still) StoreFound(Mode, []string, time.Duration)                           {}
func (s *still) StoreNotFound(Kind, string, time.Duration)                          {}
func (s *still) NotOpened(error, time.Duration)                                     {}
func (s *still) Answer(store.Ticket, codec.Op, codec.Status, []byte, time.Duration) { s.answered++ }
func (s *still) Evicted(int, store.Full, time.Duration)                             {}

// instant is a Link whose server answers at once.
type instant struct {
	last  *batch
	value []byte // of each key
}

func (l *instant) Run(b *batch)               { l.last = b }
func (l *instant) Probe(answered func(reply)) { answered(reply{shape: isNumber}) }
func (l *instant) HangUp()                    {}
func (l *instant) Redial()                    {}
func (l *instant) Close()                     {}

func (l *instant) finish() {
	for i := range l.last.commands {
		r := reply{shape: isStatus}
		if l.last.commands[i].verb == get {
			r = reply{shape: isBulk, data: l.value}
		}
		l.last.replies = append(l.last.replies, r)
	}
	l.last.finished()
}

// hotLoops are batches of 64 requests: that of the test for allocations, and of the benchmark.
func hotLoops(tb testing.TB) map[string]func() {
	keys, err := seal.Parse([]byte("id " + strings.Repeat("1", 64) + "\nkey " + strings.Repeat("2", 64)))
	if err != nil {
		tb.Fatal(err)
	}
	all := map[string]func(){}
	session := make([]byte, 180)
	for _, op := range []codec.Op{codec.OpAdd, codec.OpGet} {
		for _, k := range []*seal.Keys{nil, keys} {
			s := &still{}
			st := New(Config{Prefix: "distcache:", Timeout: time.Second, Seal: k}, s, s, s)
			st.Serve(s)
			st.Start(0)
			st.Expire(0, 1) // the probe
			l := st.route.nodes[0].link.(*instant)
			requests := make([]store.Request, 64)
			for i := range requests {
				requests[i] = store.Request{Op: op, ID: fmt.Appendf(nil, "%032d", i), Data: session, TTL: time.Hour}
			}
			kept := make([]byte, 0, 512)
			all[fmt.Sprintf("op=%v/sealed=%v/batch=64", op, k != nil)] = func() {
				for i := range requests {
					st.Do(&requests[i], 0)
				}
				st.Flush(0)
				if l.value = append(kept[:0], session...); k != nil {
					l.value = kept[:0] // what does not open is a miss, at the same cost
				}
				l.finish()
			}
		}
	}
	return all
}

func BenchmarkStore(b *testing.B) {
	for name, run := range hotLoops(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64, "ns/request")
		})
	}
}
