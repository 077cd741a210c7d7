// Package conn is the upstream.Transport over a TCP or unix socket.
package conn
