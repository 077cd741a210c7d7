package sessiond

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// vector is an exchange recorded from stunnel 5.68.
type vector struct {
	Name      string
	Send      string
	Recv      string
	ExpiresIn int `json:"expires_in"`
}

func vectors(t testing.TB) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/sessiond.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestVectors reads and writes what stunnel sends, and what it was answered.
func TestVectors(t *testing.T) {
	malformed := map[string]Fault{"get, answered with version 2": BadVersion, "get, answered with 20 bytes": TooShort}
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			sent := unhex(t, v.Send)
			p, fault := ParseRequest(sent)
			if fault != OK || !strings.HasPrefix(v.Name, p.Type.String()) || p.Timeout != time.Duration(v.ExpiresIn)*time.Second {
				t.Errorf("got %v, %v, want what the name says, for %d s", p, fault, v.ExpiresIn)
			}
			if again := Append(nil, p); !bytes.Equal(again, sent) {
				t.Errorf("got %x written again, want %x", again, sent)
			}
			if v.Recv == "" {
				return
			}
			received := unhex(t, v.Recv)
			q, fault := ParseResponse(received)
			if fault != malformed[v.Name] {
				t.Errorf("answer: got fault %v, want %v", fault, malformed[v.Name])
			}
			if fault == OK && !bytes.Equal(Append(nil, q), received) {
				t.Errorf("got %x written again, want %x", Append(nil, q), received)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	key := bytes.Repeat([]byte{5}, KeyLen)
	packet := func(kind Type, value int) []byte {
		return Append(nil, Packet{Type: kind, Timeout: 300 * time.Second, Key: key, Value: make([]byte, value)})
	}
	zeros := packet(Get, 0)
	clear(zeros[4:])
	version := packet(Get, 0)
	version[0] = 2
	for _, row := range []struct {
		name              string
		wire              []byte
		request, response Fault
	}{
		{"get", packet(Get, 0), OK, BadType},
		{"new of one byte", packet(New, 1), OK, BadType},
		{"new of 512 bytes", packet(New, MaxValue), OK, BadType},
		{"new of 513 bytes", packet(New, MaxValue+1), TooLong, TooLong},
		{"new without a value", packet(New, 0), BadValue, BadType},
		{"get with a value", packet(Get, 1), BadValue, BadType},
		{"remove with a value", packet(Remove, 1), BadValue, BadType},
		{"another type", packet(3, 0), BadType, BadType},
		{"found", packet(Found, 9), BadType, OK},
		{"not found", packet(NotFound, 0), BadType, OK},
		{"not found with a value", packet(NotFound, 1), BadType, BadValue},
		{"key of zeros", zeros, BadKey, BadKey},
		{"version 2", version, BadVersion, BadVersion},
	} {
		if _, fault := ParseRequest(row.wire); fault != row.request {
			t.Errorf("%s: got %v as a request, want %v", row.name, fault, row.request)
		}
		if _, fault := ParseResponse(row.wire); fault != row.response {
			t.Errorf("%s: got %v as a response, want %v", row.name, fault, row.response)
		}
	}
}

// TestPrefixes: less than a header is nothing, whatever it begins with.
func TestPrefixes(t *testing.T) {
	for _, v := range vectors(t) {
		sent := unhex(t, v.Send)
		for n := range HeaderSize {
			if _, fault := ParseRequest(sent[:n:n]); fault != TooShort {
				t.Errorf("%s: %d bytes: got %v, want %v", v.Name, n, fault, TooShort)
			}
		}
	}
}

func TestNames(t *testing.T) {
	for f := range NumFaults {
		if f.String() == "unknown" {
			t.Errorf("fault %d has no name", f)
		}
	}
	if got := NumFaults.String() + Type(77).String(); got != "unknownunknown" {
		t.Errorf("got %q, want that both are unknown", got)
	}
}

// FuzzParse: what is read is written the same, nothing is changed, and no bytes panic.
func FuzzParse(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(unhex(f, v.Send))
		f.Add(unhex(f, v.Recv))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		request, r := ParseRequest(b[:len(b):len(b)])
		response, a := ParseResponse(b[:len(b):len(b)])
		if !bytes.Equal(b, before) {
			t.Fatalf("got %x, want %x left as it was", b, before)
		}
		if r == OK && a == OK {
			t.Fatalf("got %x as a request and as a response", b)
		}
		for fault, p := range map[Fault]Packet{r: request, a: response} {
			if fault == OK && !bytes.Equal(Append(nil, p), before) {
				t.Fatalf("got %x written again, want %x", Append(nil, p), before)
			}
		}
	})
}

func TestNothingAllocates(t *testing.T) {
	sent, room := unhex(t, vectors(t)[0].Send), make([]byte, 0, MaxPacket)
	if n := testing.AllocsPerRun(100, func() {
		p, _ := ParseRequest(sent)
		room = Append(room[:0], p)
	}); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}
