package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"distcache/codec/address"
	"distcache/codec/sessiond"
	"distcache/engine"
	"distcache/engine/socket"
	"distcache/internal/agent"
	"distcache/internal/daemon/options"
	"distcache/internal/front"
)

// sessiondFlags are the flags of the address that stunnel asks.
type sessiondFlags struct {
	at      address.Address // the zero value: none
	honours bool            // stunnel's removals
}

func (f *sessiondFlags) declare(s *options.Set) {
	s.Func("sessiond", "address", "", "Also answer stunnel's sessiond requests (UDP) at this address: IP:127.0.0.1:port.", func(text string) (err error) {
		f.at, err = parseSessiond(text)
		return err
	})
	s.Func("sessiond-remove", "policy", "ignore",
		"Removals by stunnel, which also removes live sessions: ignore or honour.",
		func(text string) error {
			if text != "ignore" && text != "honour" {
				return fmt.Errorf("%q is neither ignore nor honour", text)
			}
			f.honours = text == "honour"
			return nil
		})
}

// on reports whether -sessiond was given.
func (f *sessiondFlags) on() bool { return f.at.Kind == address.TCP }

var errNotLoopback = errors.New("must be an IPv4 address of this host, such as IP:127.0.0.1:8444: stunnel's datagrams are neither encrypted nor authenticated")

func parseSessiond(text string) (address.Address, error) {
	at, err := address.ParseListen(text)
	if err != nil {
		return at, err
	}
	if ip, err := netip.ParseAddr(at.Host); at.Kind != address.TCP || err != nil || !ip.Is4() || !ip.IsLoopback() {
		return at, fmt.Errorf("%q %w", text, errNotLoopback)
	}
	return at, nil
}

func (f *sessiondFlags) validate(s *options.Set) error {
	if s.Given("sessiond-remove") && !f.on() {
		return &options.UsageError{Flag: "sessiond-remove", Reason: "needs -sessiond"}
	}
	return nil
}

// warning tells what the address lets others do.
func (f *sessiondFlags) warning() string {
	return fmt.Sprintf("-sessiond %s: any local user can read and store sessions there, and sessions are secrets", f.at)
}

// stunnel joins the UDP socket and what answers it.
type stunnel struct {
	socket *engine.Datagrams
	front  *front.Datagrams
}

// openStunnel opens the UDP socket of -sessiond.
func openStunnel(f sessiondFlags, l *engine.Loop, a *agent.Agent) error {
	ip, err := netip.ParseAddr(f.at.Host)
	if err != nil {
		return err
	}
	fd, bound, err := socket.ListenDatagrams(netip.AddrPortFrom(ip, f.at.Port), engine.DatagramRoom)
	if err != nil {
		return fmt.Errorf("-sessiond %s: %w", f.at, err)
	}
	s := &stunnel{}
	s.front = a.AddDatagrams(s, f.honours)
	if s.socket, err = l.ServeDatagrams(fd, sessiond.MaxPacket, s); err != nil {
		return fmt.Errorf("-sessiond %s: %w", f.at, err)
	}
	slog.Info("answering stunnel", "sessiond", "IP:"+bound.String())
	return nil
}

// Datagram takes a datagram of stunnel.
func (s *stunnel) Datagram(from socket.Peer4, b []byte, came, now time.Duration) {
	s.front.Received(front.Peer(from), b, came, now)
}

// Send sends an answer.
func (s *stunnel) Send(to front.Peer, b []byte) bool { return s.socket.Send(socket.Peer4(to), b) }
