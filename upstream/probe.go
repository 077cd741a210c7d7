package upstream

import (
	"encoding/binary"
	"time"

	"distcache/codec"
)

// probeIDLen is the length of a probe's random session ID, in bytes: such an ID is
// nobody's session.
const probeIDLen = 32

// newProbe makes the next probe: a HAVE of a random ID under a random uid.
func (l *Link) newProbe() {
	var random [probeIDLen + 4]byte
	l.config.Random(random[:])
	uid := binary.BigEndian.Uint32(random[probeIDLen:])
	l.probeWire = codec.AppendMessage(l.probeWire[:0], codec.Request, uid, codec.OpHave, random[:probeIDLen])
	l.probe = codec.Message{Wire: l.probeWire, UID: uid, Op: codec.OpHave, PayloadLen: probeIDLen}
}

// jittered shortens d by up to a fifth, at random, so that the agents of a fleet do
// not come back all at once.
func (l *Link) jittered(d time.Duration) time.Duration {
	var random [8]byte
	l.config.Random(random[:])
	const steps = 1 << 16
	return d - time.Duration(binary.BigEndian.Uint64(random[:])%steps)*(d/5)/steps
}
