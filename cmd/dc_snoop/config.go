package main

import (
	"crypto/tls"
	"fmt"
	"strings"
	"time"

	"distcache/codec"
	"distcache/codec/address"
	"distcache/internal/credentials"
	"distcache/internal/daemon/listen"
	"distcache/internal/daemon/options"
	"distcache/internal/version"
)

const program = "dc_snoop"

// config is the command line, parsed.
type config struct {
	limits limits

	listen address.Address
	socket listen.Options
	server address.Address
	tls    credentials.Flags
	creds  *credentials.Credentials // nil: no TLS
	filter filter
	json   bool
	data   bool
	stats  bool
	pcap   string // the file of -pcap; "" is none
}

// limits are the times that an end may take.
type limits struct {
	drain time.Duration // open requests
	write time.Duration // the outputs, for the last records
}

// usualLimits are not for tests of something else: a busy machine may take longer.
func usualLimits() limits { return limits{drain: time.Second, write: 2 * time.Second} }

func (c *config) flags() *options.Set {
	s := options.New(program, "-listen address -server address [options]",
		"Passes every byte on to a distcache service unchanged, and prints each request and answer: time, connection, "+
			"direction (> to the server, < to the client), uid, operation, length of the payload in bytes, session ID, status "+
			"and time to answer. Put it between applications and dc_client, or between dc_client and dc_server.")
	s.Func("listen", "address", "", "Listen for clients here: UNIX:/path or IP:host:port.", func(text string) (err error) {
		c.listen, err = address.ParseListen(text)
		return err
	})
	c.socket.Declare(s)
	s.Func("server", "address", "", "The service to connect to: UNIX:/path, IP:host:port or TLS:host:port.", func(text string) (err error) {
		c.server, err = address.ParseSecureConnect(text)
		return err
	})
	s.Alias("connect", "server")
	s.Func("filter", "op", "", "Print only these operations: add, get, remove, have, or a list such as add,get.", c.filter.set)
	s.Bool(&c.json, "json", "Print one JSON object per line, with full session IDs.")
	s.Bool(&c.data, "data", "Print payloads too, in hex. They contain the secrets of TLS sessions.")
	s.Bool(&c.stats, "stats", "Print a summary at exit and on SIGUSR1, of all operations: -filter does not apply.")
	s.String(&c.pcap, "pcap", "file", "", "Write all traffic, whatever -filter says, to this file, as TCP packets for tcpdump and tshark: connection n "+
		"goes from 10.0.0.0 plus n to 192.0.2.1 port 9001. The file contains the secrets of TLS sessions: it has "+
		"mode 0600, and replaces an older one.")
	c.tls.DeclareClient(s)
	s.Version(version.Text(program))
	return s
}

// validate returns an error for a missing flag or for flags that contradict each other.
func (c *config) validate(s *options.Set) error {
	for _, flag := range []string{"listen", "server"} {
		if !s.Given(flag) {
			return &options.UsageError{Flag: flag, Reason: "is required: an address such as UNIX:/tmp/scache"}
		}
	}
	if c.listen == c.server {
		return &options.UsageError{Flag: "server", Value: c.server.String(),
			Reason: c.server.String() + " is the address of -listen too: dc_snoop would connect to itself"}
	}
	over := c.server.Kind == address.TLS
	if over {
		c.creds = credentials.New(c.tls, c.server.Host)
	}
	return c.tls.Validate("server", over, false)
}

// loadCredentials reads the certificates of a TLS address.
func (c *config) loadCredentials() (warnings []string, err error) {
	if c.creds == nil {
		return nil, nil
	}
	return c.creds.Load()
}

// secure is for the next handshake; nil: no TLS.
func (c *config) secure() *tls.Config {
	if c.creds == nil {
		return nil
	}
	return c.creds.Config()
}

// filter is a set of operations. An empty filter lets all operations pass.
type filter [codec.NumOps]bool

// set reads the value of -filter.
func (f *filter) set(text string) error {
	for name := range strings.SplitSeq(text, ",") {
		op, known := opNamed(name)
		if !known {
			return fmt.Errorf("%q is none of add, get, remove and have", name)
		}
		f[op] = true
	}
	return nil
}

func (f *filter) lets(op codec.Op) bool { return *f == filter{} || f[op] }

func opNamed(name string) (codec.Op, bool) {
	for op := range codec.Op(codec.NumOps) {
		if strings.EqualFold(name, op.String()) {
			return op, true
		}
	}
	return 0, false
}
