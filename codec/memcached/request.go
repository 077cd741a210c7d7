package memcached

import "errors"

const (
	// Magic is the first byte of a request of the binary protocol.
	Magic = 0x80
	// MaxLine is the longest command of the text protocol, in bytes; the client is closed when
	// so many bytes hold no end of a line.
	MaxLine = 2048
	// MaxKey is the longest key, in bytes.
	MaxKey = 250
	// MaxValue is the longest value, in bytes; a longer one is refused, and dropped as it comes.
	MaxValue = 32768
	// MaxBody is the longest body of a binary request that is waited for, in bytes: a value,
	// a key and the extras of a store.
	MaxBody = MaxValue + MaxKey + storeExtras
	// MaxBinaryHit is the longest value that a GET of the binary protocol brings, in bytes:
	// nghttpx aborts at an answer whose body is over 16,384. A longer one is a miss.
	MaxBinaryHit = 16380
	// Version is the memcached whose behaviour was recorded, and what a client is told.
	Version = "1.6.18"
)

// The errors of the parsers, beside codec.ErrShort: the client is to be closed without a word.
var (
	// ErrLongLine is returned when MaxLine bytes hold no end of a line.
	ErrLongLine = errors.New("over 2048 bytes without the end of a line")
	// ErrMagic is returned when a binary request begins with another byte than Magic.
	ErrMagic = errors.New("a binary request does not begin with 0x80")
)

// Verb is what a request asks for.
type Verb uint8

// The verbs.
const (
	Get Verb = iota
	Set
	Add
	Delete
	Noop
	Tell  // the version
	Stats // a line of words
	Quit
	Refused // what Request.Refusal says
)

// Refusal is why a request is not carried out.
type Refusal uint8

// The refusals.
const (
	None     Refusal = iota
	Unknown          // no such command
	BadLine          // arguments that are none
	BadUsage         // of delete
	BadChunk         // a value that does not end where it should
	TooLarge         // a value that is too long: the old one goes
	Flags            // flags other than 0 would have to be kept
)

// Head is what has to be known of a request to answer it, beside the key.
type Head struct {
	Verb   Verb
	Binary bool
	Quiet  bool // it gets no answer, whatever happens
	CAS    bool // text: gets
	More   bool // text: more keys of the same command follow
	Opcode byte // binary
	Opaque [4]byte
}

// Request is one request, or one key of a get. Key and Value are views of the bytes.
type Request struct {
	Head    Head
	Refusal Refusal
	Close   bool // the client is to be closed after the answer
	Named   bool // text: a stats that names what it wants
	Key     []byte
	Value   []byte
	Expiry  int64 // as the client gives it; see Life
	Size    int   // bytes that it takes
	Swallow int64 // bytes that follow and are to be dropped
}

// refuse makes r a request that is answered by why.
func (r *Request) refuse(why Refusal) error {
	r.Refusal = why
	if why != TooLarge {
		r.Head.Verb, r.Key, r.Value = Refused, nil, nil
	}
	return nil
}
