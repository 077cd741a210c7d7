// Package sessiond is the protocol in which stunnel asks for TLS sessions (its option
// “sessiond”), as pure functions on byte slices: a datagram each for a request and its answer.
//
//	byte  0     version, 1
//	byte  1     type
//	byte  2–3   how long a new session lives, in seconds, big-endian; else 0
//	byte  4–35  key: the session ID of 32 bytes, shorter ones filled with zeros
//	byte 36–    value of a new or found session: 1 to 512 bytes
//
// A new session and a removal have no answer: stunnel has closed its socket. It takes the answer to
// a get that has the key of the request, and comes within 4 to 8 ms.
package sessiond
