package main

import (
	"context"
	"net"
	"time"

	"distcache/codec/address"
)

// connectTimeout is how long each address of the server has to accept a connection. It begins
// after the look-up of a name.
const connectTimeout = 5 * time.Second

// half is one of the two connections that dc_snoop joins: a *net.UnixConn or *net.TCPConn.
type half interface {
	net.Conn
	CloseRead() error
	CloseWrite() error
}

// dial connects to the server, at the first of its addresses that accepts. resolver nil is
// net.DefaultResolver.
func dial(ctx context.Context, to address.Address, resolver *net.Resolver) (server half, err error) {
	all, err := addressesOf(ctx, to, resolver)
	for _, a := range all {
		if server, err = dialOne(ctx, a); err == nil {
			break
		}
	}
	return server, err
}

// addressesOf looks up the name in an address. That has no time limit of its own: the resolver
// gives each name server 5 seconds, and asks the next one only after that.
func addressesOf(ctx context.Context, to address.Address, resolver *net.Resolver) ([]address.Address, error) {
	if to.Kind != address.TCP {
		return []address.Address{to}, nil
	}
	found, err := to.Resolve(ctx, resolver)
	if err != nil {
		return nil, err
	}
	all := make([]address.Address, 0, len(found))
	for _, f := range found {
		all = append(all, address.Address{Kind: address.TCP, Host: f.Addr().String(), Port: f.Port()})
	}
	return all, nil
}

func dialOne(ctx context.Context, to address.Address) (half, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	server, err := to.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return server.(half), nil
}
