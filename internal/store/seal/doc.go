// Package seal keeps sessions secret from a store that is not trusted: it seals values with AES-256-GCM, and replaces
// session IDs by a keyed hash of them.
//
//	sealed value   | version 1 | key id 4 | nonce 12 | ciphertext, as long as the session | tag 16 |
//	authenticated    version, key id, session ID, session
//	name           HMAC-SHA256 of the session ID, 32 bytes
//
// A value opens only under the session ID that it was sealed for: a store that gives one session for another is found out.
// It is pure: keys come in as text, and nothing is read or logged.
package seal
