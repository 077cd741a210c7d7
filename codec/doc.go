// Package codec is the distcache wire protocol, version 0x11, as pure functions
// on byte slices: docs/PROTOCOL.md says what the bytes mean.
//
//	one direction of a connection:   message, message, message …
//	message:                         1 to 17 frames, at most 32,768 bytes of payload
//	frame:                           header (14 bytes) | data (0 to 2,048 bytes)
//
// Every frame of a message but the last carries exactly 2,048 bytes, so frame i
// of a message begins at byte i*FrameSize. The functions here rely on that: a
// message stays the slice it arrived in, and changing its uid is a stride over it.
//
// Every decoder has three outcomes: a value; ErrShort, when the bytes are a valid
// beginning and more are needed; and a CorruptError, which names the wrong field.
// Decoders reject at the first byte that shows
// corruption, never read past the slice, never panic, and allocate nothing.
package codec
