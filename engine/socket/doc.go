// Package socket makes the system calls of the hot path on non-blocking sockets.
//
// The calls bypass Go's scheduler, which is right for calls that never wait, and save the
// allocation of accept's peer address. Each of them retries EINTR, which a process gets
// when it is stopped and continued.
package socket
