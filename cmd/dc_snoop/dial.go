package main

import (
	"context"
	"errors"
	"net"
	"strconv"
	"syscall"
	"time"

	"distcache/codec/address"
)

const (
	// connectTimeout is how long the server has to take a connection.
	connectTimeout = 5 * time.Second
	// A unix socket whose backlog is full refuses with EAGAIN: it is tried again after a
	// pause, which grows from the first of these to the second.
	firstPause = time.Millisecond
	lastPause  = 16 * time.Millisecond
)

// half is one of the two connections that dc_snoop joins: a *net.UnixConn or *net.TCPConn.
type half interface {
	net.Conn
	CloseRead() error
	CloseWrite() error
}

// dial connects to the server.
func dial(ctx context.Context, to address.Address) (half, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	network, target := endpoint(to)
	var dialer net.Dialer
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		socket, err := dialer.DialContext(ctx, network, target)
		if err == nil {
			return socket.(half), nil
		}
		if !errors.Is(err, syscall.EAGAIN) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
		}
	}
}

// endpoint gives the address as package net takes it.
func endpoint(a address.Address) (network, target string) {
	target = net.JoinHostPort(a.Host, strconv.Itoa(int(a.Port)))
	switch {
	case a.Kind == address.Unix:
		return "unix", a.Path
	case a.Family == address.IPv4:
		return "tcp4", target
	case a.Family == address.IPv6:
		return "tcp6", target
	}
	return "tcp", target
}
