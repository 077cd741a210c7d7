package redis

import (
	"strings"
	"time"
)

// Kind says what is wrong with an answer, or that nothing is.
type Kind uint8

// The kinds. The zero value is that the server has carried out the command.
const (
	OK          Kind = iota
	Late             // no answer within -storetimeout
	Connection       // the connection was refused or lost, or not made in time
	Loading          // LOADING: the server reads its data after a start
	ClusterDown      // CLUSTERDOWN: the cluster does not serve the slot of the key
	Moved            // MOVED, ASK or TRYAGAIN, again and again
	ReadOnly         // READONLY: a replica, which takes no ADD
	Memory           // OOM: maxmemory is reached, and maxmemory-policy evicts nothing
	NotWritable      // MISCONF, NOREPLICAS: the server takes no ADD for now
	Auth             // NOAUTH, WRONGPASS, NOPERM
	Busy             // BUSY, MASTERDOWN, too many clients: the server answers, and serves nobody
	Protocol         // an answer that no Redis gives to this command
	Full             // not sent: too many requests or bytes wait
	Other            // any other error
	numKinds
)

var kindNames = [numKinds]string{"ok", "late", "connection", "loading", "clusterdown", "moved", "readonly", "oom", "not-writable", "auth",
	"busy", "protocol", "full", "other"}

// String gives the name for logs and figures.
func (k Kind) String() string { return kindNames[k] }

// refusesADDs reports whether only ADDs, and perhaps REMOVEs, meet this: GETs are served.
func (k Kind) refusesADDs() bool { return k == ReadOnly || k == Memory || k == NotWritable }

// unreachable reports whether the server cannot be asked at all.
func (k Kind) unreachable() bool { return k == Late || k == Connection || k == Protocol }

// kindOf tells what an error of Redis means, by its first word.
func kindOf(text string) Kind {
	text = strings.TrimPrefix(text, "ERR ") // rueidis takes it away
	word, _, _ := strings.Cut(text, " ")
	switch word {
	case "LOADING":
		return Loading
	case "CLUSTERDOWN":
		return ClusterDown
	case "MOVED", "ASK", "TRYAGAIN", "REDIRECT":
		return Moved
	case "READONLY":
		return ReadOnly
	case "OOM":
		return Memory
	case "MISCONF", "NOREPLICAS":
		return NotWritable
	case "NOAUTH", "WRONGPASS", "NOPERM":
		return Auth
	case "BUSY", "MASTERDOWN":
		return Busy
	}
	switch {
	case strings.HasPrefix(text, "max number of clients"):
		return Busy
	case strings.Contains(text, "AUTH") || strings.HasPrefix(text, "invalid password") || strings.HasPrefix(text, "invalid username"):
		return Auth
	}
	return Other
}

// maxReason is the most bytes of a text of a server that are kept: a redirect with the longest host name fits.
const maxReason = 300

// harmless cuts what a server says: a Redis that does not know a command quotes its arguments, which are secrets.
func harmless(text string) string {
	text, _, _ = strings.Cut(text, ", with args beginning")
	if len(text) > maxReason {
		text = text[:maxReason] + "…"
	}
	return strings.ToValidUTF8(text, "?")
}

// redirect is where a MOVED or ASK leads.
type redirect struct {
	address string // host:port
	asking  bool   // this one time
}

// redirectOf reads “MOVED slot host:port” and “ASK slot host:port”. from is the server that said so: an empty host means
// its own. ok is false for anything else.
func redirectOf(text, from string) (r redirect, ok bool) {
	words := strings.Fields(text)
	if len(words) < 3 || words[0] != "MOVED" && words[0] != "ASK" {
		return redirect{}, false
	}
	i := strings.LastIndexByte(words[2], ':')
	if i < 0 || i == len(words[2])-1 {
		return redirect{}, false
	}
	host, port := strings.Trim(words[2][:i], "[]"), words[2][i+1:]
	address, err := endpoint(host, port, from)
	return redirect{address: address, asking: words[0] == "ASK"}, err == nil
}

// calm is how long nothing may have failed before a server is called well again: of errors and successes in turn, only the
// first is news.
const calm = 100 * time.Millisecond

// health follows one thing that may be in trouble, and tells when that changes.
type health struct {
	trouble Kind // OK: there is none
	reason  string
	since   time.Duration // of trouble, or of there being none
	last    time.Duration // the last failure
	failed  uint64        // requests, since
}

// Change is a line for the log: a server got into trouble, or out of it.
type Change struct {
	Address string
	Writes  bool   // it is about ADDs alone
	Was, Is Kind   // OK: no trouble
	Reason  string // of trouble
	For     time.Duration
	Failed  uint64 // requests that failed meanwhile
}

// bad notes that n requests failed. It reports whether that is another trouble than before.
func (h *health) bad(k Kind, reason string, n uint64, now time.Duration) (c Change, news bool) {
	if h.trouble != k {
		c, news = h.to(k, reason, now), true
	}
	h.last, h.reason = now, reason
	h.failed += n
	return c, news
}

// good notes a success. It reports whether that ends a trouble.
func (h *health) good(now time.Duration) (c Change, news bool) {
	if h.trouble == OK || now-h.last < calm && !h.trouble.unreachable() {
		return c, false
	}
	return h.to(OK, "", now), true
}

func (h *health) to(k Kind, reason string, now time.Duration) Change {
	c := Change{Was: h.trouble, Is: k, Reason: reason, For: now - h.since, Failed: h.failed}
	h.trouble, h.reason, h.since, h.failed = k, reason, now, 0
	return c
}
