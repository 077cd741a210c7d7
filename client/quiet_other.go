//go:build !unix

package client

import "net"

// isQuiet cannot look ahead here: a connection that the service has closed is noticed when
// it is used, and Options.Retry asks again.
func isQuiet(net.Conn) bool { return true }
