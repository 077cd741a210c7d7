package redis

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// askTime is how long the servers are asked, one after the other, which ones there are. Then it is tried again.
const askTime = 3 * time.Second

// asker asks which servers there are. One question is under way at a time.
type asker struct {
	net     *Net
	client  rueidis.Client // of the server that has answered last; nil: none
	address string
	known   []string // servers that answers have named
}

// Topology implements Dialer.
func (n *Net) Topology(elsewhere bool, found func(t topology, err error)) {
	go func() {
		t, err := n.asker.ask(elsewhere)
		_ = n.loop.Post(func() { found(t, err) }) // an error means that the loop has ended
	}()
}

// Close implements Dialer. A question that is under way ends by itself; its answer is not looked at any more.
func (n *Net) Close() {}

// ask asks one server after the other, the one that has answered last first; elsewhere: last.
func (a *asker) ask(elsewhere bool) (topology, error) {
	l := a.net.location
	if l.Mode == Single && len(l.Hosts) == 1 {
		return one(Single, l.Hosts[0]), nil // there is nothing to ask
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	var first error
	for _, address := range a.candidates(elsewhere) {
		t, err := a.askOne(ctx, address)
		if err == nil {
			for _, r := range t.ranges {
				if !slices.Contains(a.known, r.address) && len(a.known) < maxNodes {
					a.known = append(a.known, r.address)
				}
			}
			return t, nil
		}
		if first == nil {
			first = err
		}
		a.hangUp()
		if ctx.Err() != nil {
			break
		}
	}
	return topology{}, first
}

// candidates are the servers to ask, in order. elsewhere: those after the one that has answered last come first.
func (a *asker) candidates(elsewhere bool) []string {
	l := a.net.location
	all := append([]string{}, l.Hosts...)
	if l.Mode == Auto || l.Mode == Cluster {
		all = append(all, a.known...)
	}
	at := slices.Index(all, a.address)
	switch {
	case elsewhere && at >= 0:
		all = slices.Concat(all[at+1:], all[:at+1])
	case !elsewhere && a.client != nil:
		all = append([]string{a.address}, all...)
	}
	for i := len(all) - 1; i > 0; i-- {
		if slices.Contains(all[:i], all[i]) {
			all = slices.Delete(all, i, i+1)
		}
	}
	return all
}

func (a *asker) hangUp() {
	if a.client != nil {
		a.client.Close()
		a.client = nil
	}
}

// askOne asks the server at an address.
func (a *asker) askOne(ctx context.Context, address string) (t topology, err error) {
	l := a.net.location
	if a.client == nil || a.address != address {
		a.hangUp()
		if a.client, err = a.net.client(address, l.Mode == Sentinel, askLimits, bufferBytes, func(net.Conn) {}); err != nil {
			return topology{}, err
		}
		a.address = address
	}
	switch l.Mode {
	case Sentinel:
		return a.sentinel(ctx)
	case Single:
		return a.single(ctx)
	}
	return a.cluster(ctx)
}

// do asks once more where the connection was closed while it was idle.
func (a *asker) do(ctx context.Context, words ...string) rueidis.RedisResult {
	command := func() rueidis.Completed { return a.client.B().Arbitrary(words...).Build() }
	r := a.client.Do(ctx, command())
	if r.NonRedisError() == errStale {
		r = a.client.Do(ctx, command())
	}
	return r
}

var (
	errNoMaster = errors.New("the sentinel knows no master by the name that -store gives as ?master=")
	errReplica  = errors.New("the server is a replica")
)

// sentinel asks for the master.
func (a *asker) sentinel(ctx context.Context) (topology, error) {
	r := a.do(ctx, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", a.net.location.Master)
	words, err := r.AsStrSlice()
	switch {
	case rueidis.IsRedisNil(err):
		return topology{}, errNoMaster
	case err != nil:
		return topology{}, err
	case len(words) != 2:
		return topology{}, errGarbage
	}
	address, err := endpoint(words[0], words[1], a.address)
	if err != nil {
		return topology{}, err
	}
	return one(Sentinel, address), nil
}

// single chooses a server that is no replica. One that does not know ROLE, as a proxy may not, is taken.
func (a *asker) single(ctx context.Context) (topology, error) {
	r := a.do(ctx, "ROLE")
	if err := r.NonRedisError(); err != nil {
		return topology{}, err
	}
	if parts, err := r.ToArray(); err == nil && len(parts) > 0 {
		if role, _ := parts[0].ToString(); role == "slave" {
			return topology{}, errReplica
		}
	}
	return one(Single, a.address), nil
}

// cluster asks who has which slots. A server that is in no cluster is the only one, unless it must be in one.
func (a *asker) cluster(ctx context.Context) (topology, error) {
	r := a.do(ctx, "CLUSTER", "SLOTS")
	parts, err := r.ToArray()
	if refused, ok := rueidis.IsRedisErr(err); ok {
		switch k := kindOf(refused.Error()); {
		case a.net.location.Mode == Cluster, k == Loading, k == Busy, k == ClusterDown:
			return topology{}, err
		case k == Auth && !strings.HasPrefix(refused.Error(), "NOPERM"):
			return topology{}, err
		case len(a.net.location.Hosts) == 1:
			return one(Single, a.address), nil
		}
		return a.single(ctx)
	}
	if err != nil {
		return topology{}, err
	}
	lines := make([]slotLine, 0, len(parts))
	for i := range parts {
		if l, ok := lineOf(&parts[i]); ok {
			lines = append(lines, l)
		}
	}
	return cluster(lines, a.address)
}

// lineOf reads one line of CLUSTER SLOTS: first slot, last slot, master, replicas.
func lineOf(m *rueidis.RedisMessage) (l slotLine, ok bool) {
	parts, err := m.ToArray()
	if err != nil || len(parts) < 3 {
		return l, false
	}
	master, err := parts[2].ToArray()
	if err != nil || len(master) < 2 {
		return l, false
	}
	if l.first, err = parts[0].ToInt64(); err != nil {
		return l, false
	}
	if l.last, err = parts[1].ToInt64(); err != nil {
		return l, false
	}
	if l.port, err = master[1].ToInt64(); err != nil {
		return l, false
	}
	if l.host, err = master[0].ToString(); err != nil && !rueidis.IsRedisNil(err) {
		return l, false
	}
	return l, true
}
