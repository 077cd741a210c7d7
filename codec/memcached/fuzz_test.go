package memcached

import (
	"testing"

	"distcache/codec"
)

// FuzzText and FuzzBinary hold of any bytes what the front relies on.
func FuzzText(f *testing.F) { fuzz(f, "memcached_text.json", false) }

func FuzzBinary(f *testing.F) { fuzz(f, "memcached_binary.json", true) }

func fuzz(f *testing.F, seeds string, isBinary bool) {
	var all []vector
	readJSON(f, seeds, &all)
	for _, v := range all {
		f.Add(unhex(f, v.Send))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Request
		err := parse(b, isBinary, &r)
		if err != nil {
			if err != codec.ErrShort && err != ErrLongLine && err != ErrMagic {
				t.Fatalf("got %v", err)
			}
			if most := MaxLine + MaxValue + 2; err == codec.ErrShort && len(b) > max(most, headerSize+MaxBody) {
				t.Fatalf("more is wanted than the %d bytes that there are", len(b))
			}
			return
		}
		if r.Size < 1 || r.Size > len(b) || r.Swallow < 0 || len(r.Key) > MaxKey || len(r.Value) > MaxValue {
			t.Fatalf("got %+v of %d bytes", r, len(b))
		}
		hasKey := r.Head.Verb <= Delete
		if hasKey != (len(r.Key) > 0) {
			t.Fatalf("got verb %d with the key %q", r.Head.Verb, r.Key)
		}
		// One byte less is not enough, one more changes nothing, except a line of keys.
		var again Request
		if err := parse(b[:r.Size-1], isBinary, &again); err == nil && !r.Head.More {
			t.Fatalf("got %+v without its last byte", again)
		}
		for keys := 0; r.Head.More; keys++ {
			cas, rest := r.Head.CAS, b[r.Size:]
			ParseKey(rest, cas, &r)
			if r.Size < 1 || r.Size > len(rest) || len(r.Key) < 1 || len(r.Key) > MaxKey || r.Head.CAS != cas || keys > MaxLine/2 {
				t.Fatalf("got %+v behind a key", r)
			}
			b = rest
		}
		answers(t, &r)
	})
}

// answers holds that each answer is whole: it ends where its protocol says.
func answers(t *testing.T, r *Request) {
	key := r.Key
	for _, a := range [][]byte{
		append(r.Head.AppendTail(append(r.Head.AppendHit(nil, key, 9), "END\r\nSTAT"...)), []byte{}...),
		r.Head.AppendMiss(nil, key), r.Head.AppendStored(nil), r.Head.AppendExists(nil), r.Head.AppendDeleted(nil),
		r.Head.AppendNotFound(nil), r.Head.AppendDone(nil), r.Head.AppendRefusal(nil, r.Refusal),
	} {
		if !r.Head.Binary {
			if n := len(a); n > 0 && (n < 2 || string(a[n-2:]) != "\r\n") {
				t.Fatalf("got the answer %q, want whole lines", a)
			}
			continue
		}
		if len(a) == 0 {
			continue
		}
		body := int(a[8])<<24 | int(a[9])<<16 | int(a[10])<<8 | int(a[11])
		if len(a) < headerSize || body != len(a)-headerSize || a[1] != r.Head.Opcode || string(a[12:16]) != string(r.Head.Opaque[:]) {
			t.Fatalf("got the answer %x to %+v", a, r.Head)
		}
	}
}
