package memcached

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"distcache/codec"
)

// vector is an exchange recorded from a real memcached, on a connection of its own.
type vector struct {
	Name       string
	Send, Recv string // hex
	Needs      string
	Enough     string // an answer that the client is content with
	RecordedAt int64  `json:"recorded_at"`
}

// ours is what we answer where that is not what memcached answered: testdata/ours.json.
type ours map[string]struct {
	Recv string // as Go would quote it, without the quotes
	Why  string
}

func readJSON(t testing.TB, name string, into any) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// model is a cache behind the codec, with the rules of the front in their plainest form.
type model struct {
	stored map[string]string
	now    int64
}

// answer carries out all requests of one connection.
func (m *model) answer(b []byte) (out []byte, err error) {
	isBinary := b[0] == Magic
	for keys := false; len(b) > 0; {
		var r Request
		switch {
		case keys:
			ParseKey(b, false, &r)
		case isBinary:
			err = ParseBinary(b, &r)
		default:
			err = ParseText(b, &r)
		}
		if err != nil {
			return out, err
		}
		out = m.carryOut(out, &r)
		b = b[min(int64(len(b)), int64(r.Size)+r.Swallow):]
		if r.Close {
			return out, nil
		}
		keys = r.Head.More
	}
	return out, nil
}

func (m *model) carryOut(out []byte, r *Request) []byte {
	id := string(AppendID(nil, r.Key))
	old, there := m.stored[id]
	_, gone := Life(r.Expiry, func() int64 { return m.now })
	switch {
	case r.Refusal != None:
		if r.Head.Verb == Set {
			delete(m.stored, id)
		}
		return r.Head.AppendRefusal(out, r.Refusal)
	case r.Head.Verb == Get && there && r.Head.Fits(len(old)-Skip([]byte(old))):
		value := old[Skip([]byte(old)):]
		return r.Head.AppendTail(append(r.Head.AppendHit(out, r.Key, len(value)), value...))
	case r.Head.Verb == Get:
		return r.Head.AppendMiss(out, r.Key)
	case r.Head.Verb == Add && there:
		return r.Head.AppendExists(out)
	case r.Head.Verb == Set || r.Head.Verb == Add:
		m.stored[id] = string(AppendValue(nil, r.Value))
		if gone {
			delete(m.stored, id)
		}
		return r.Head.AppendStored(out)
	case r.Head.Verb == Delete && there:
		delete(m.stored, id)
		return r.Head.AppendDeleted(out)
	case r.Head.Verb == Delete:
		return r.Head.AppendNotFound(out)
	case r.Head.Verb == Stats:
		return AppendEnd(AppendStat(out, "pid", 1))
	}
	return r.Head.AppendDone(out)
}

// TestVectors replays what was recorded of a real memcached.
func TestVectors(t *testing.T) {
	var differ ours
	readJSON(t, "ours.json", &differ)
	used := 0
	for _, file := range []string{"memcached_text.json", "memcached_binary.json"} {
		var all []vector
		readJSON(t, file, &all)
		if len(all) < 100 {
			t.Fatalf("%s: got %d vectors, want all", file, len(all))
		}
		m := &model{stored: map[string]string{}}
		for _, v := range all {
			send, want := unhex(t, v.Send), unhex(t, v.Recv)
			if m.now = v.RecordedAt; m.now == 0 {
				m.now = 1795952695
			}
			if strings.HasPrefix(v.Needs, "the cache holds") {
				for key, value := range Hits(send, want) {
					m.stored[string(AppendID(nil, []byte(key)))] = value
				}
			}
			if v.Needs == "no such key" {
				clear(m.stored)
			}
			got, err := m.answer(send)
			if err != nil && err != codec.ErrShort && err != ErrMagic && err != ErrLongLine {
				t.Errorf("%s, %s: got %v", file, v.Name, err)
			}
			if d, ok := differ[file+": "+v.Name]; ok {
				used++
				if want = []byte(d.Recv); strings.HasPrefix(d.Recv, "hex:") {
					want = unhex(t, d.Recv[4:])
				}
			} else if v.Enough != "" {
				continue
			}
			if got, want := WithoutCAS(got), WithoutCAS(want); got != want {
				t.Errorf("%s, %s: sent %q\n got %q\nwant %q", file, v.Name, send, got, want)
			}
		}
	}
	if used != len(differ) {
		t.Errorf("got %d vectors where we differ, want the %d of ours.json", used, len(differ))
	}
}

// Hits are the values of the answers recv to the gets in send.
func Hits(send, recv []byte) map[string]string {
	hits := map[string]string{}
	if send[0] != Magic {
		for rest := string(recv); strings.HasPrefix(rest, "VALUE "); {
			line, after, _ := strings.Cut(rest, "\r\n")
			words := strings.Fields(line)
			n, _ := number([]byte(words[3]))
			hits[words[1]], rest = after[:n], after[n+2:]
		}
		return hits
	}
	for len(send) > 0 && len(recv) > 0 {
		var r Request
		if ParseBinary(send, &r) != nil {
			break
		}
		body := binary.BigEndian.Uint32(recv[offBody:])
		if recv[offStatus+1] == 0 && r.Head.Verb == Get {
			hits[string(r.Key)] = string(recv[headerSize+hitExtras : headerSize+body])
		}
		send, recv = send[r.Size:], recv[headerSize+body:]
	}
	return hits
}

// WithoutCAS is what was answered with each CAS made 0.
func WithoutCAS(recv []byte) string {
	if len(recv) == 0 || recv[0] != responseMagic {
		lines := strings.SplitAfter(string(recv), "\r\n")
		for i, line := range lines {
			if words := strings.Fields(line); strings.HasPrefix(line, "VALUE ") && len(words) == 5 {
				words[4] = "0\r\n"
				lines[i] = strings.Join(words, " ")
			}
		}
		return strings.Join(lines, "")
	}
	recv = append([]byte(nil), recv...)
	for rest := recv; len(rest) >= headerSize; {
		clear(rest[headerSize-8 : headerSize])
		rest = rest[min(len(rest), headerSize+int(binary.BigEndian.Uint32(rest[offBody:]))):]
	}
	return string(recv)
}

// TestKeys is what each key stands for.
func TestKeys(t *testing.T) {
	var all []struct{ Name, Key, ID string }
	readJSON(t, "keymap.json", &all)
	for _, row := range all {
		if got := hex.EncodeToString(AppendID(nil, unhex(t, row.Key))); got != row.ID {
			t.Errorf("%s: got %s, want %s", row.Name, got, row.ID)
		}
	}
	// base64url decoders pass over ends of lines.
	plain := "h2o:ssl-session-cache:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	if string(AppendID(nil, []byte(plain))) == string(AppendID(nil, []byte(plain+"\n"))) {
		t.Error("got one ID for two keys, want two")
	}
}
