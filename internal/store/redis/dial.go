package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/rueidis"
)

const (
	// bufferBytes is the size of each buffer of a connection: one for reading, one for writing. Servers beyond wideServers
	// have narrowBytes, since their batches are small.
	bufferBytes, narrowBytes = 64 << 10, 4 << 10
	wideServers              = 16
	// leastDial is what a connection is given to be made, at least: a handshake over TLS takes a round trip more.
	leastDial = 150 * time.Millisecond
	// keepAlive makes the kernel find out about a server that is gone.
	keepAlive = 15 * time.Second
)

// Net makes Links of rueidis clients. It is the Dialer of a Store in a daemon.
//
// Each connection is a client of its own, used by one goroutine: rueidis then writes a batch and reads the replies without
// goroutines of its own, and each batch has a deadline. rueidis's client for clusters is not used: its batches over several
// servers wait for the slowest, it learns of a failover up to a second late, and it follows redirects without end.
type Net struct {
	location *Location
	timeout  time.Duration
	loop     Loop
	probe    string                     // the key that is asked for
	tls      atomic.Pointer[tls.Config] // of a rediss location
	password atomic.Pointer[string]     // nil: that of the location
	asker    asker
	links    int // that are open; loop only
}

// NewNet makes a Net. A rediss location needs SetTLS before the Store starts.
func NewNet(l *Location, c Config, loop Loop) *Net {
	n := &Net{location: l, timeout: c.Timeout, loop: loop, probe: c.Prefix + "probe"}
	n.asker.net = n
	return n
}

// SetPassword puts a password in force for connections to come. Any goroutine may call it.
func (n *Net) SetPassword(password string) { n.password.Store(&password) }

// client makes a rueidis client of one connection, which is not made before it is used. bare is without user and database.
// most bounds what the server may send, and buffer is the size of a buffer. opened is given each connection.
func (n *Net) client(address string, bare bool, most limits, buffer int, opened func(net.Conn)) (rueidis.Client, error) {
	dialTime := max(n.timeout, leastDial)
	option := rueidis.ClientOption{
		InitAddress: []string{address}, ForceSingleClient: true, PipelineMultiplex: -1,
		DisableRetry: true, DisableCache: true, AlwaysRESP2: true, ClientSetInfo: rueidis.DisableClientSetInfo,
		RingScaleEachConn: 2, ReadBufferEachConn: buffer, WriteBufferEachConn: buffer,
		ConnWriteTimeout: n.timeout,
		Dialer:           net.Dialer{Timeout: dialTime, KeepAlive: -1}, // no pings of its own: they would come beside ours
		DialCtxFn: func(ctx context.Context, _ string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, dialTime)
			defer cancel()
			c, err := n.dial(ctx, address, most)
			if err == nil {
				opened(c)
			}
			return c, err
		},
	}
	if !bare {
		option.SelectDB = n.location.Database
		option.ClientName = "dc_server"
		option.AuthCredentialsFn = func(rueidis.AuthCredentialsContext) (rueidis.AuthCredentials, error) {
			return rueidis.AuthCredentials{Username: n.location.User, Password: n.secret()}, nil
		}
	}
	c, err := rueidis.NewClient(option)
	if c != nil {
		return c, nil // a failure to connect shows again when it is used
	}
	return nil, err
}

// SetTLS puts a configuration in force for connections to come. The name that a certificate must have is that of the host.
// Any goroutine may call it.
func (n *Net) SetTLS(c *tls.Config) { n.tls.Store(c) }

func (n *Net) secret() string {
	if p := n.password.Load(); p != nil {
		return *p
	}
	return n.location.Password
}

// dial connects, and puts a guard before the connection.
func (n *Net) dial(ctx context.Context, address string, most limits) (net.Conn, error) {
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: keepAlive / 3, Count: 3}}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if !n.location.TLS {
		return newGuard(c, raw, spoken, most), nil
	}
	config := n.tls.Load().Clone()
	config.ServerName, _, _ = net.SplitHostPort(address)
	secured := tls.Client(c, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = c.Close() // err is what counts
		if ctx.Err() != nil {
			return nil, errNoHandshake
		}
		return nil, err
	}
	return newGuard(secured, raw, hungUp, most), nil
}

var errNoHandshake = errors.New("connected, but the TLS handshake did not end in time: does that port speak TLS?")

// kindOfError tells what an error of rueidis or of a connection means.
func kindOfError(err error) (Kind, string) {
	if r, ok := rueidis.IsRedisErr(err); ok {
		text := r.Error()
		return kindOf(text), harmless(text)
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return Late, "no answer in time"
	case errors.Is(err, errGarbage), errors.Is(err, errUnasked):
		return Protocol, err.Error()
	case errors.Is(err, syscall.ECONNREFUSED):
		return Connection, "connection refused"
	}
	return Connection, err.Error()
}
