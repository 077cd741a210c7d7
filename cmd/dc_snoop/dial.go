package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"distcache/codec/address"
	"distcache/engine/secure"
)

// connectTimeout is how long each address of the server has to accept a connection. It begins
// after the look-up of a name.
const connectTimeout = 5 * time.Second

// half is one of the two connections that dc_snoop joins: a *net.UnixConn, a *net.TCPConn or secured.
type half interface {
	net.Conn
	CloseRead() error
	CloseWrite() error
}

// dial connects to the server, at the first of its addresses that accepts and, with config, whose
// TLS handshake succeeds. resolver nil is net.DefaultResolver.
func dial(ctx context.Context, to address.Address, config *tls.Config, resolver *net.Resolver) (server half, err error) {
	all, err := addressesOf(ctx, to, resolver)
	for _, a := range all {
		if server, err = dialOne(ctx, a, config); err == nil {
			break
		}
	}
	return server, err
}

// addressesOf looks up the name in an address. That has no time limit of its own: the resolver
// gives each name server 5 seconds, and asks the next one only after that.
func addressesOf(ctx context.Context, to address.Address, resolver *net.Resolver) ([]address.Address, error) {
	if to.Kind == address.Unix {
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

func dialOne(ctx context.Context, to address.Address, config *tls.Config) (half, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	server, err := to.Dial(ctx)
	if err != nil {
		return nil, err
	}
	if config == nil {
		return server.(half), nil
	}
	over, err := secure.Blocking(ctx, server, config)
	if err != nil {
		_ = server.Close()
		return nil, err
	}
	return secured{over}, nil
}

// secured is a connection over TLS.
type secured struct{ *tls.Conn }

// Read says what an alert means: a server refuses the certificate of a client after the handshake.
func (s secured) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if err != nil && err != io.EOF && !errors.Is(err, net.ErrClosed) {
		err = errors.New(secure.Explain(secure.Dialled, err).Error()) // the sentence is what counts, not what it wraps
	}
	return n, err
}

// CloseRead is that of the socket.
func (s secured) CloseRead() error { return s.NetConn().(half).CloseRead() }
