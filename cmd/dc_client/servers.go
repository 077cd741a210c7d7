package main

import (
	"crypto/tls"
	"fmt"
	"slices"
	"sync"

	"distcache/codec/address"
	"distcache/internal/daemon/options"
	"distcache/upstream"
	"distcache/upstream/conn"
)

// serverFlags are the flags that say which dc_servers there are, and how they are used.
type serverFlags struct {
	list       []address.Address
	perAddress bool // each address of a name is a server
	spread     bool // the session ID chooses
}

func (f *serverFlags) declare(s *options.Set) {
	s.List("server", "address", "", "Address of dc_server: IP:host:port, TLS:host:port or UNIX:/path; may be given several times. "+
		"The first of the list that is up is used (see -spread).", f.set)
	s.Alias("connect", "server")
	s.Bool(&f.perAddress, "server-per-address", "Treat each address of a -server name as a separate server.")
	s.Func("spread", "how", "", "Use all servers: hash chooses one by the session ID. Default: the first of the list that is up.", func(text string) error {
		if text != "hash" {
			return fmt.Errorf("%q: the only value is hash", text)
		}
		f.spread = true
		return nil
	})
}

// set reads the addresses of all -server so far.
func (f *serverFlags) set(texts []string) error {
	if len(texts) > upstream.MaxServers {
		return fmt.Errorf("at most %d servers may be given", upstream.MaxServers)
	}
	f.list = nil
	for _, text := range texts {
		a, err := address.ParseSecureConnect(text)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(f.list, func(b address.Address) bool { return nameOf(a) == nameOf(b) }) {
			return fmt.Errorf("%q is given twice", text)
		}
		f.list = append(f.list, a)
	}
	return nil
}

// several reports whether there can be more than one server.
func (f *serverFlags) several() bool { return len(f.list) > 1 || f.perAddress }

// most is how many there can be.
func (f *serverFlags) most() int {
	if f.perAddress {
		return upstream.MaxServers
	}
	return len(f.list)
}

// firstSecure is the first TLS address; ok is false when there is none.
func (f *serverFlags) firstSecure() (a address.Address, ok bool) {
	i := slices.IndexFunc(f.list, func(a address.Address) bool { return a.Kind == address.TLS })
	if i < 0 {
		return a, false
	}
	return f.list[i], true
}

// plainWarnings warns of servers on other hosts without TLS, unless they are among known.
func (f *serverFlags) plainWarnings(known []address.Address) (all []string) {
	for _, a := range f.list {
		if a.Kind == address.TCP && !a.IsLoopback() && !slices.Contains(known, a) {
			all = append(all, fmt.Sprintf("-server %s: the connection is neither encrypted nor authenticated, and sessions are secrets; "+
				"use TLS:, or keep it inside a network that you trust", a))
		}
	}
	return all
}

func (f *serverFlags) validate() error {
	if f.spread && !f.several() {
		return &options.UsageError{Flag: "spread", Value: "hash", Reason: "needs several -server, or -server-per-address"}
	}
	return nil
}

// memory is the size of the tables and buffers of each loop, in bytes.
func (f *serverFlags) memory() int64 {
	switch {
	case f.spread: // each twice, should all names lead elsewhere at once
		return 2 * int64(f.most()) * (spreadBatch + spreadInFlight*muxSlot + upstream.ReadBuffer)
	case f.several(): // one serves, and up to two are about to end
		return 3*(maxBatch+muxMemory) + int64(f.most())*upstream.ReadBuffer
	}
	return 2 * (maxBatch + muxMemory)
}

// takesEffect reports whether a list that was read anew can be put in force without a restart. One server stays as it was
// at the start.
func (f *serverFlags) takesEffect(next *serverFlags) bool {
	_, secure := f.firstSecure()
	_, nextSecure := next.firstSecure()
	return (f.several() || next.several()) && f.perAddress == next.perAddress && f.spread == next.spread && secure == nextSecure
}

// nameOf is the name of a server on the list, which rendezvous hashing uses: it does not tell whether the way there is
// encrypted, so that a site can change that without a change of its map.
func nameOf(a address.Address) string {
	_, name := a.Endpoint()
	return name
}

// target is one server: a whole name, or one address of it.
type target struct {
	name  string // of the list: tells also whether the way there is encrypted
	share string // its name in rendezvous hashing
	at    address.Address
	host  string // which the certificate must have
}

// newTarget is the server at an address whose certificate must have host, or that of -tlsname.
func newTarget(at address.Address, host string) target {
	t := target{at.String(), nameOf(at), at, host}
	if at.Kind == address.TLS && host != at.Host {
		t.name += " of " + host
	}
	return t
}

// targets are those of names as a whole.
func targets(list []address.Address) []target {
	all := make([]target, 0, len(list))
	for _, a := range list {
		all = append(all, newTarget(a, a.Host))
	}
	return all
}

// secure makes a connection speak TLS, if its address says so.
func (c *config) secure(to *conn.Conn, t target) {
	if t.at.Kind == address.TLS {
		to.Secure(func() *tls.Config { return c.credentials.ConfigFor(t.host) })
	}
}

// serverList is the list of -server in force. All loops read it, after a SIGHUP.
type serverList struct {
	mu   sync.Mutex
	list []address.Address
}

func (l *serverList) get() []address.Address {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list
}

func (l *serverList) set(list []address.Address) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = list
}
