//go:build !unix

package client

import "net"

// looksAhead tells that isQuiet does not: without Persistent no connection is kept.
const looksAhead = false

// isQuiet cannot look ahead here: a connection that the service has closed is noticed when
// it is used, and Options.Retry asks again.
func isQuiet(net.Conn) bool { return true }
