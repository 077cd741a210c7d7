// Package memcached is the part of memcached's two protocols, text and binary, that TLS
// terminators use for their sessions (docs/PROTOCOL.md, “Memcached”).
//
//	bytes ──▶ ParseText, ParseKey, ParseBinary ──▶ Request
//	Head, the part of a Request that outlives its bytes ──▶ Head.Append… ──▶ bytes
//
// The first byte of a connection tells which protocol it speaks, for good: Magic is binary.
// Nothing here reads, writes or allocates. What a Request holds are views of the bytes.
package memcached
