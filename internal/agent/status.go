package agent

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"distcache/codec"
	"distcache/internal/daemon/metrics"
	"distcache/upstream"
)

// Status tells whether dc_server answers, since when, and what was wrong with it last. Of several servers it tells which
// one serves, and which are down.
func (a *Agent) Status(now time.Duration) metrics.Status {
	l := &a.link
	status := metrics.Status{LastError: l.lastError, ErrorAgo: now - l.errorAt}
	members := a.servers.Members()
	switch {
	case len(members) == 0:
		status.Whole, status.Text, status.For = true, "No address of dc_server is known", now
		status.Detail = "Requests are answered DISCONNECTED"
		return status
	case a.config.Spread:
		a.spreadStatus(&status, now)
		return status
	case a.config.Several || len(members) > 1:
		a.failoverStatus(&status, now)
		return status
	}
	name := "dc_server" + a.shown(members[0], " at ")
	switch {
	case a.servers.Target().State() == upstream.Up:
		status.Ready, status.Text, status.For = true, "Connected to "+name, now-l.upSince
		return status
	case l.ups == 0 && l.lastError == "":
		status.Text = "Connecting to " + name
	default:
		status.Text = "No connection to " + name
	}
	status.For, status.Detail = now-l.downSince, "Requests are answered DISCONNECTED"
	return status
}

// Unresolved notes, for the status page, why no address of a dc_server was found.
func (a *Agent) Unresolved(why string, now time.Duration) {
	a.link.lastError, a.link.errorAt = why, now
}

// shown is the name of a server as it is shown, with a prefix; "" where there is none.
func (a *Agent) shown(m *upstream.Member, prefix string) string {
	if a.config.Name == nil {
		return ""
	}
	return prefix + a.config.Name(m.Name())
}

func (a *Agent) failoverStatus(status *metrics.Status, now time.Duration) {
	status.Whole = true
	serving := a.servers.Serving()
	if serving == nil {
		status.Text, status.For = fmt.Sprintf("No connection to any of %d dc_servers", len(a.servers.Members())), now-a.link.downSince
		status.Detail = "Requests are answered DISCONNECTED" + a.downText(". Down: ", "")
		return
	}
	status.Ready, status.Text, status.For = true, "Connected to dc_server"+a.shown(serving, " at "), now-serving.Since()
	var standby, parts []string
	for _, m := range a.servers.Members() {
		if m.Resting() && m.Failure() == nil {
			standby = append(standby, a.shown(m, ""))
		}
	}
	if down := a.downText("Down: ", ""); down != "" {
		parts = append(parts, down)
	}
	if len(standby) > 0 {
		parts = append(parts, "Standing by: "+strings.Join(standby, ", "))
	}
	status.Detail = strings.Join(parts, ". ")
}

func (a *Agent) spreadStatus(status *metrics.Status, now time.Duration) {
	status.Whole = true
	members, up := a.servers.Members(), 0
	status.For = now
	for _, m := range members {
		status.For = min(status.For, now-m.Since())
		if m.State() == upstream.Up {
			up++
		}
	}
	status.Ready, status.Text = up > 0, fmt.Sprintf("Connected to %d of %d dc_servers", up, len(members))
	if up < len(members) {
		status.Detail = a.downText("Down: ", ". ") + "Requests for the sessions of the others are answered DISCONNECTED"
	}
}

// downText lists the servers that are down, with the reasons, between two texts; "" when there is none.
func (a *Agent) downText(before, after string) string {
	down := []string{}
	for _, m := range a.servers.Members() {
		if failure := m.Failure(); failure != nil {
			down = append(down, a.shown(m, "")+" ("+failure.Error()+")")
		}
	}
	if len(down) == 0 {
		return ""
	}
	return before + strings.Join(down, ", ") + after
}

// fault is why a connection to dc_server, or an attempt, ended.
type fault uint8

// The faults.
const (
	faultClosed  fault = iota // dc_server closed it
	faultSilent               // dc_server did not answer, or not in time
	faultCorrupt              // dc_server sent what is no answer
	faultProbe                // what is there is no dc_server
	faultSystem               // the system's error: refused, reset, no such host
	numFaults
)

// String gives the name used in metrics.
func (f fault) String() string {
	return [...]string{"closed", "silent", "corrupt", "no-dc-server", "system"}[f]
}

// faultOf classes the reason why a connection ended.
func faultOf(why error) fault {
	corrupt := (*codec.CorruptError)(nil)
	switch {
	case errors.Is(why, upstream.ErrClosed):
		return faultClosed
	case errors.Is(why, upstream.ErrSilent), errors.Is(why, upstream.ErrAttemptTimeout):
		return faultSilent
	case errors.Is(why, upstream.ErrProbe):
		return faultProbe
	case errors.As(why, &corrupt), errors.Is(why, upstream.ErrWrongOperation), errors.Is(why, upstream.ErrUnsolicited):
		return faultCorrupt
	}
	return faultSystem
}

// linkFacts is what an operator asks of the connection to dc_server.
type linkFacts struct {
	upSince   time.Duration
	downSince time.Duration
	ups       uint64            // connections that came up
	losts     uint64            // of those, that ended
	faults    [numFaults]uint64 // connections and attempts that ended, by reason
	lastError string
	errorAt   time.Duration
}

// changed takes a change of state. It happens seldom.
func (l *linkFacts) changed(from, to upstream.State, why error, now time.Duration) {
	switch {
	case errors.Is(why, upstream.ErrStopped):
		return
	case to == upstream.Up:
		l.ups++
		l.upSince = now
	case from == upstream.Up:
		l.losts++
		l.downSince = now
	}
	if why != nil {
		l.faults[faultOf(why)]++
		l.lastError, l.errorAt = why.Error(), now
	}
}
