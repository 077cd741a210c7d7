package plan

import (
	"fmt"
	"strconv"
	"strings"

	"distcache/codec"
)

// Mix is how often each operation is asked for, as weights, and which session an ADD names.
type Mix struct {
	Add, Get, Remove, Have int

	// Fresh lets every ADD be of a new session, as a TLS terminator's are, and leaves the one before to its expiry.
	// Otherwise an ADD names any session of the client, so that it must fail while that one is there.
	Fresh bool
}

// The names of the mixes that follow from what a terminator sends with tickets off (docs: “What traffic looks like”),
// one handshake in two being a resumption.
const (
	MixTLS12 = "tls12" // full handshake: 1 ADD; resumption: 1 GET
	MixTLS13 = "tls13" // full handshake: 2 ADD; resumption: 1 GET and 1 ADD
)

// maxWeight bounds a weight, so that sums of weights fit any integer.
const maxWeight = 1_000_000

// DefaultMix asks for every operation equally often.
func DefaultMix() Mix { return Mix{Add: 1, Get: 1, Remove: 1, Have: 1} }

// ParseMix reads add:get:remove:have, four whole numbers of which one is over 0, or a name (MixTLS12, MixTLS13).
// Its error wraps ErrMix.
func ParseMix(text string) (Mix, error) {
	switch text {
	case MixTLS12:
		return Mix{Add: 1, Get: 1, Fresh: true}, nil
	case MixTLS13:
		return Mix{Add: 3, Get: 1, Fresh: true}, nil
	}
	parts := strings.Split(text, ":")
	if len(parts) != codec.NumOps {
		return Mix{}, fmt.Errorf("%w: %q is neither %s, %s nor four numbers add:get:remove:have", ErrMix, text, MixTLS12, MixTLS13)
	}
	var weights [codec.NumOps]int
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil || n > maxWeight {
			return Mix{}, fmt.Errorf("%w: %q in %q is not a whole number from 0 to %d", ErrMix, part, text, maxWeight)
		}
		weights[i] = int(n)
	}
	m := Mix{Add: weights[0], Get: weights[1], Remove: weights[2], Have: weights[3]}
	if m.total() == 0 {
		return Mix{}, fmt.Errorf("%w: all weights in %q are 0", ErrMix, text)
	}
	return m, nil
}

// String returns the text that ParseMix reads, for every Mix that it returns.
func (m Mix) String() string {
	for _, name := range []string{MixTLS12, MixTLS13} {
		if named, _ := ParseMix(name); named == m {
			return name
		}
	}
	return fmt.Sprintf("%d:%d:%d:%d", m.Add, m.Get, m.Remove, m.Have)
}

func (m Mix) total() int { return m.Add + m.Get + m.Remove + m.Have }

// bounds are the weights summed up by operation: an operation is the first whose bound is over a number below total.
func (m Mix) bounds() [codec.NumOps]uint32 {
	add := uint32(m.Add)
	get := add + uint32(m.Get)
	remove := get + uint32(m.Remove)
	return [codec.NumOps]uint32{codec.OpAdd: add, codec.OpGet: get, codec.OpRemove: remove, codec.OpHave: remove + uint32(m.Have)}
}
