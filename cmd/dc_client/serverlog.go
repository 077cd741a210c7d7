package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"distcache/codec/address"
	"distcache/upstream"
)

// repeatAfter is when a failure that goes on is logged again.
const repeatAfter = time.Minute

// linkLog logs the state of the connection to dc_server: each time that it comes up or is
// lost, and failed attempts when their reason changes, or once a minute.
type linkLog struct {
	server   address.Address
	address  func() string // that of the connection, or tried last; conn.Conn.Address
	peer     func() string // the name in the server's certificate; conn.Conn.Peer
	timeout  time.Duration // the flag -timeout; 0: never
	probed   time.Duration // when the probe was sent
	last     string        // the address of the last connection that was up
	failures uint64        // attempts that failed since the last line about one
	reason   string
	quietTo  time.Duration
}

// LinkChanged logs one change.
func (l *linkLog) LinkChanged(from, to upstream.State, why error, now time.Duration) {
	switch {
	case errors.Is(why, upstream.ErrStopped): // by a signal, which was logged
	case to == upstream.Probing:
		l.probed = now
	case to == upstream.Up:
		l.connected(now - l.probed)
	case to == upstream.Down && from == upstream.Up:
		slog.Warn("lost dc_server", l.about("reason", why)...)
	case to == upstream.Down:
		l.failed(why, now)
	}
}

// about is what a line is about: the flag -server, the address where that is another text, and
// more keys and values.
func (l *linkLog) about(more ...any) []any { return l.aboutAddress(l.address(), more) }

func (l *linkLog) aboutAddress(at string, more []any) []any {
	keys := []any{"server", l.server.String()}
	if at != "" && at != l.server.String() {
		keys = append(keys, "address", at)
	}
	return append(keys, more...)
}

// connected logs that the probe was answered, after roundTrip.
func (l *linkLog) connected(roundTrip time.Duration) {
	l.last = l.address()
	if peer := l.peer(); peer == "" {
		slog.Info("connected to dc_server", l.about()...)
	} else {
		slog.Info("connected to dc_server", l.about("certificate", peer)...)
	}
	l.reason, l.quietTo = "", 0
	if l.timeout > 0 && roundTrip > l.timeout {
		slog.Warn("dc_server takes longer than -timeout to answer the first request: requests will be answered DISCONNECTED",
			l.about("round_trip", roundTrip.Round(time.Millisecond), "timeout", l.timeout,
				"hint", "raise -timeout above the round trip")...)
	}
}

// lateAnswers logs requests that were not answered within -timeout.
func (l *linkLog) lateAnswers(late upstream.Lateness) {
	roundTrip := "unknown: no late answer has come"
	if late.Answered > 0 {
		roundTrip = late.Took.Round(time.Millisecond).String()
	}
	slog.Warn("dc_server did not answer in time: requests were answered DISCONNECTED",
		l.aboutAddress(l.last, []any{"late", late.Late, "requests", late.Of, "late_round_trip", roundTrip, "timeout", l.timeout,
			"hint", "raise -timeout, or see whether dc_server is overloaded"})...)
}

func (l *linkLog) failed(why error, now time.Duration) {
	l.failures++
	if why.Error() == l.reason && now < l.quietTo {
		return
	}
	slog.Warn("no connection to dc_server", l.about("reason", why, "attempts", l.failures)...)
	l.reason, l.quietTo, l.failures = why.Error(), now+repeatAfter, 0
}

// strayAnswer logs that an answer matches no request, with the likely cause.
func (l *linkLog) strayAnswer() {
	slog.Warn("dc_server sends answers that match no request; they are dropped",
		l.about("hint", "a dc_server of distcache 1.5 does this when a request arrives in pieces: replace it")...)
}

// name is the flag -server, and the address in use where that is another text.
func (l *linkLog) name() string {
	if at := l.address(); at != "" && !strings.HasSuffix(l.server.String(), at) {
		return l.server.String() + " (" + at + ")"
	}
	return l.server.String()
}

// severalAddresses warns when the name leads to several addresses of one IP version, and returns how
// many. An IPv4 and an IPv6 address are mostly the same host.
func (l *linkLog) severalAddresses(all []string) int {
	var v4, v6 int
	for _, text := range all {
		at, err := netip.ParseAddrPort(text)
		switch {
		case err != nil: // a unix socket
		case at.Addr().Is4():
			v4++
		default:
			v6++
		}
	}
	if max(v4, v6) > 1 {
		slog.Warn("the name of dc_server has several addresses: dc_clients that use different ones share no sessions",
			"server", l.server.String(), "addresses", strings.Join(all, ", "), "hint", "use a name that has one address, or -server-per-address")
	}
	return max(v4, v6)
}

// refreshed logs what a look-up of the name on SIGHUP has found. It reports whether to move.
func (l *linkLog) refreshed(found []string, err error, up bool) (move bool) {
	addresses := strings.Join(found, ", ")
	switch {
	case err != nil:
		slog.Warn("SIGHUP: cannot resolve -server: nothing changes", l.about("reason", err)...)
	case !up:
		slog.Info("SIGHUP: not connected to dc_server: each attempt resolves its name again", "server", l.server.String(), "addresses", addresses)
	case slices.Contains(found, l.address()):
		slog.Info("SIGHUP: the addresses of dc_server have not changed", l.about()...)
	default:
		slog.Info("SIGHUP: moving to another address of dc_server", "server", l.server.String(), "from", l.address(), "to", addresses)
		return true
	}
	return false
}

// stays logs that a move has failed, after the line with the reason.
func (l *linkLog) stays() {
	slog.Warn("could not move to another address of dc_server; SIGHUP tries again", l.about()...)
}

// servingLog logs which of several servers serves, and why another one does than before.
type servingLog struct {
	before string // as displayed; "": none served yet
	since  time.Duration
}

// changed notes that to serves, shown as name, and logs it where there are several. from is the one that it
// takes over from, and nil where that was lost.
func (s *servingLog) changed(from, to *upstream.Member, members []*upstream.Member, name string, several bool, now time.Duration) {
	defer func() { s.before, s.since = name, now }()
	if !several && len(members) == 1 {
		return
	}
	listed := slices.DeleteFunc(slices.Clone(members), (*upstream.Member).Leaving)
	reason := "it comes earlier on the list"
	switch {
	case s.before == "":
		reason = "it is the first that answered"
	case s.before == name:
		reason = "it was lost and is back"
	case from == nil:
		reason = "the previous server was lost"
	case from.Leaving():
		reason = "the previous server is no longer on the list"
	}
	keys := []any{"server", name, "place", fmt.Sprintf("%d of %d", 1+slices.Index(listed, to), len(listed)), "reason", reason}
	if s.before != "" {
		keys = append(keys, "previous", s.before, "since_last_change", (now - s.since).Round(time.Millisecond))
	}
	slog.Info("now using this dc_server", keys...)
}

// joined is a list of addresses as a text.
func joined(list []address.Address) string {
	texts := make([]string, 0, len(list))
	for _, a := range list {
		texts = append(texts, a.String())
	}
	return strings.Join(texts, ", ")
}
