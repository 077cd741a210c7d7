// Package socket makes the system calls of the hot path on non-blocking sockets.
//
// They go to the kernel without telling Go's scheduler, which is right for calls
// that never wait, and without the allocation that accept's peer address costs. Each
// of them retries EINTR, which is what a stopped and continued process sees.
package socket
