package main

import (
	"fmt"
	"strings"

	"distcache/codec"
	"distcache/codec/address"
	"distcache/internal/daemon/options"
	"distcache/internal/version"
)

const program = "dc_snoop"

// config is the command line, parsed.
type config struct {
	listen address.Address
	server address.Address
	filter filter
	json   bool
	data   bool
	stats  bool
	pcap   string // where the packets go, "" for nowhere
}

func (c *config) flags() *options.Set {
	s := options.New(program, "-listen address -server address [options]",
		"Passes connections on to a distcache service, to the byte, and prints each request and answer: time, connection, "+
			"direction (> to the server, < to the client), uid, operation, length of the payload in bytes, session ID, status "+
			"and time to answer. Put it between applications and dc_client, or between dc_client and dc_server.")
	s.Func("listen", "address", "", "Where to listen: UNIX:/path or IP:host:port.", func(text string) (err error) {
		c.listen, err = address.ParseListen(text)
		return err
	})
	s.Func("server", "address", "", "The service to pass connections on to: UNIX:/path or IP:host:port.", func(text string) (err error) {
		c.server, err = address.ParseConnect(text)
		return err
	})
	s.Alias("connect", "server")
	s.Func("filter", "op", "", "Print only these operations: add, get, remove, have, or several with commas between.", c.filter.set)
	s.Bool(&c.json, "json", "Print a JSON object a line, with session IDs in full.")
	s.Bool(&c.data, "data", "Print the payloads too, in hex. They hold the secrets of TLS sessions.")
	s.Bool(&c.stats, "stats", "Print a summary at the end, and when SIGUSR1 comes. -filter does not change it.")
	s.String(&c.pcap, "pcap", "file", "", "Write all that passes to that file, as TCP packets that tcpdump and tshark read: "+
		"connection n is from 10.0.0.0 plus n to 192.0.2.1 port 9001. It holds the secrets of TLS sessions. "+
		"-filter does not change it.")
	s.Version(version.Text(program))
	return s
}

// validate finds what is missing, and what contradicts.
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
	return nil
}

// filter is a set of operations. The empty one lets all pass.
type filter [codec.NumOps]bool

// set takes over what -filter says.
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
