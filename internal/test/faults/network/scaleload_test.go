package network

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// fate is what became of a request.
type fate uint8

const (
	served   fate = iota // by dc_server
	declined             // DISCONNECTED
	hungUp               // the connection ended without an answer
	closed               // there was nobody to connect to
	gone                 // answered that a session is not there that should be
	returned             // answered that a session is there that was removed
	wrong                // what no answer to it can be
	hanging              // nothing came
	numFates
)

func (f fate) String() string {
	return [...]string{"served", "DISCONNECTED", "closed meanwhile", "refused", "lost session", "removed session is back", "wrong", "hanging"}[f]
}

// asked is one request of the traffic.
type asked struct {
	host     int
	op       codec.Op
	id       string
	fate     fate
	from, to time.Time
}

// openAt reports whether it was open then.
func (a *asked) openAt(when time.Time) bool { return !a.from.After(when) && a.to.After(when) }

// traffic is short-lived clients on all hosts: each writes a session on one, reads it on the others, removes it on the next, and
// looks whether it is gone.
type traffic struct {
	t       *testing.T
	at      []kit.Endpoint // by host
	name    string         // what session IDs begin with
	quit    chan struct{}
	stop    sync.Once
	clients sync.WaitGroup

	mu  sync.Mutex
	all []asked
}

// clientsPerHost ask at the same time.
const clientsPerHost = 6

// startTraffic starts it, until the test ends or end is called.
func startTraffic(t *testing.T, name string, at []kit.Endpoint) *traffic {
	r := &traffic{t: t, at: at, name: name, quit: make(chan struct{})}
	for host := range at {
		for n := range clientsPerHost {
			r.clients.Go(func() {
				for round := 0; r.pause(); round++ {
					r.session(host, fmt.Sprintf("%s, client %d of host %d, round %d", name, n, host, round))
				}
			})
		}
	}
	t.Cleanup(r.end)
	return r
}

func (r *traffic) end() {
	r.stop.Do(func() { close(r.quit) })
	r.clients.Wait()
}

// pause is between two sessions; it reports whether to go on.
func (r *traffic) pause() bool {
	select {
	case <-r.quit:
		return false
	case <-time.After(20 * time.Millisecond):
		return true
	}
}

// session is the life of one. It ends with the first request that fails.
func (r *traffic) session(host int, id string) {
	data := bytes.Repeat([]byte(id+";"), 180/len(id)+1)
	other := func(n int) int { return (host + n) % len(r.at) }
	if r.ask(host, codec.OpAdd, id, kit.Add(uint32(host), id, string(data), time.Hour), []byte{byte(codec.StatusOK)}) &&
		r.ask(other(1), codec.OpGet, id, kit.Get(1, id), data) && r.ask(other(2), codec.OpGet, id, kit.Get(2, id), data) &&
		r.ask(other(1), codec.OpRemove, id, kit.Remove(3, id), []byte{byte(codec.StatusOK)}) {
		r.ask(host, codec.OpHave, id, kit.Have(4, id), []byte{byte(codec.StatusNotOK)})
	}
}

// ask sends one request on a connection of its own, and reports whether the answer is the one that is due.
func (r *traffic) ask(host int, op codec.Op, id string, request, want []byte) bool {
	a := asked{host: host, op: op, id: id, from: time.Now()}
	a.fate = askOnce(r.at[host], op, request, want)
	a.to = time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, a)
	return a.fate == served
}

func askOnce(at kit.Endpoint, op codec.Op, request, want []byte) fate {
	conn, err := kit.Connect(at)
	if err != nil {
		return closed
	}
	defer func() { _ = conn.Close() }()
	conn.SetPatience(patience)
	began := time.Now()
	m, err := conn.Do(request)
	switch {
	case err != nil && time.Since(began) >= patience:
		return hanging
	case err != nil:
		return hungUp
	case m.Op != op:
		return wrong
	}
	payload := m.Payload(nil)
	status := codec.Status(payload[0])
	switch {
	case bytes.Equal(payload, want):
		return served
	case len(payload) == 1 && status == codec.StatusDisconnected:
		return declined
	case len(payload) == 1 && status == codec.StatusNotOK && (op == codec.OpGet || op == codec.OpRemove):
		return gone
	case len(payload) == 1 && status == codec.StatusOK && op == codec.OpHave:
		return returned
	}
	return wrong
}

// since gives what was asked, and has ended, since then.
func (r *traffic) since(when time.Time) []asked {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.all), func(a asked) bool { return a.to.Before(when) })
}

// calm is how long all must be served until the service counts as back: longer than the figures of a daemon are kept.
const calm = 1200 * time.Millisecond

// settle waits until all requests on all hosts have been served for a while, and gives when the last one failed; from, when none has.
func (r *traffic) settle(from time.Time) (last time.Time) {
	r.t.Helper()
	kit.Wait(r.t, patience, "service on all hosts", func() bool {
		last = from
		rounds := make([]int, len(r.at))
		for _, a := range r.since(from) {
			if a.fate != served && a.to.After(last) {
				last = a.to
				clear(rounds)
			} else if a.from.After(last) {
				rounds[a.host]++
			}
		}
		return time.Since(last) > calm && slices.Min(rounds) > 20
	})
	return last
}
