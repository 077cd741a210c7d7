package client

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"distcache/codec/address"
)

// checkable returns an error that wraps ErrOptions if Options.CheckListener is set and
// cannot be kept at this address.
func (o Options) checkable(to address.Address) error {
	network, _ := to.Endpoint()
	switch {
	case !o.CheckListener:
		return nil
	case network != "unix":
		return fmt.Errorf("%w: CheckListener needs a unix socket, which %v is not", ErrOptions, to)
	case !knowsListener:
		return fmt.Errorf("%w: CheckListener works on Linux alone", ErrOptions)
	}
	return nil
}

// checkListener returns an error that wraps ErrListener, unless root, the user of this
// process or one of Options.ListenerUIDs listens at the other end of socket.
func (o Options) checkListener(socket net.Conn) error {
	if !o.CheckListener {
		return nil
	}
	uid, err := listenerUID(socket)
	if err != nil {
		return fmt.Errorf("%w: its user is not known: %w", ErrListener, err)
	}
	if !o.trusts(uid) {
		return fmt.Errorf("%w: it runs as user %d", ErrListener, uid)
	}
	return nil
}

func (o Options) trusts(uid int) bool {
	return uid == 0 || uid == os.Geteuid() || slices.Contains(o.ListenerUIDs, uid)
}

var errNoCredentials = errors.New("the connection has no credentials")
