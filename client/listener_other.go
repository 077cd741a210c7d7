//go:build !linux

package client

import "net"

// knowsListener says whether listenerUID works here.
const knowsListener = false

func listenerUID(net.Conn) (int, error) { return 0, errNoCredentials }
