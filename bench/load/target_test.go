package load

import (
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"distcache/codec/address"
	"distcache/internal/test/kit"
)

// TestLinkLocal drives a server at a link-local address, with its interface by name and by number.
func TestLinkLocal(t *testing.T) {
	ip := linkLocal(t)
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
	if err != nil {
		t.Skipf("cannot listen on %v: %v", ip, err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	at := address.Address{Kind: address.TCP, Host: ip.String(), Port: uint16(port)}
	_, target := at.Endpoint()
	server := kit.NewUpstream(t, kit.Endpoint{Network: "tcp", Address: target})
	c := configFor(t, server.Endpoint())
	c.Operations = 20
	c.Address = at
	runs(t, c)
	link, err := net.InterfaceByName(ip.Zone())
	if err != nil {
		t.Fatal(err)
	}
	c.Salt++
	c.Address.Host = ip.WithZone(strconv.Itoa(link.Index)).String()
	runs(t, c)
	if err := Ping(t.Context(), at, time.Minute); err != nil {
		t.Errorf("got %v, want an answer", err)
	}
	if got := server.Asked(); got != 41 {
		t.Errorf("got %d requests, want 20, 20 and a ping", got)
	}
}

// linkLocal returns a link-local address of this machine, or skips the test.
func linkLocal(t *testing.T) netip.Addr {
	t.Helper()
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		all, _ := link.Addrs()
		for _, a := range all {
			prefix, err := netip.ParsePrefix(a.String())
			if err == nil && prefix.Addr().Is6() && prefix.Addr().IsLinkLocalUnicast() {
				return prefix.Addr().WithZone(link.Name)
			}
		}
	}
	t.Skip("this machine has no link-local address")
	return netip.Addr{}
}
