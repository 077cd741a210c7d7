package agent

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"distcache/codec"
	"distcache/upstream"
)

// vector is one exchange recorded from the reference dc_client (codec/testdata).
type vector struct {
	Name     string
	Send     string
	Recv     string
	OurRecv  string `json:"our_recv"`
	Upstream []string
	Chunks   []string `json:"upstream_chunks"`
	State    string
}

func TestGolden(t *testing.T) {
	text, err := os.ReadFile("../../codec/testdata/dc_client.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	played := map[string]int{}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			kind, _, _ := strings.Cut(v.Name, " ")
			played[kind]++
			switch kind {
			case "no-server":
				r := downRig(t, testConfig())
				r.come(1)
				r.send(1, unhex(t, v.Send))
				r.mustGetBytes(1, unhex(t, v.OurRecv))
			case "in-flight-lost":
				playLost(t, v)
			case "pipelined":
				playPipelined(t, v)
			case "client-bad":
				playBad(t, v)
			default:
				t.Fatal("nobody plays this one")
			}
		})
	}
	if played["no-server"] < 4 || played["in-flight-lost"] < 3 || played["pipelined"] < 1 || played["client-bad"] < 4 {
		t.Errorf("got %v played, want 4, 3, 1 and 4 or more", played)
	}
}

// playLost asks what the reference's dc_server saw, under the client's uid, and loses
// the connection.
func playLost(t *testing.T, v vector) {
	r := upRig(t, testConfig())
	r.come(1)
	asked := unhex(t, v.Upstream[0])
	codec.SetUID(asked, 0xdeadbeef)
	r.send(1, asked)
	if got, want := r.seenOne().Wire, unhex(t, v.Upstream[0]); !sameButUID(got, want) {
		t.Errorf("dc_server got %x, want %x under any uid", got, want)
	}
	r.Link().Broken(upstream.ErrClosed, r.now)
	r.mustGetBytes(1, unhex(t, v.Recv))
}

// playPipelined sends a request three times at once, and then one of three frames from
// another client. All are forwarded, each once; the reference forwards one of a client at a time.
func playPipelined(t *testing.T, v vector) {
	r := upRig(t, testConfig())
	r.come(1, 2)
	one, other := unhex(t, v.Chunks[0]), unhex(t, v.Chunks[1])
	r.send(1, slices.Concat(one, one, one))
	r.send(2, other)
	seen := r.seen()
	for i, want := range [][]byte{one, one, one, other} {
		if i >= len(seen) || !sameButUID(seen[i].Wire, want) {
			t.Fatalf("dc_server got %d requests, want these four under any uid", len(seen))
		}
	}
	for _, m := range seen[:3] {
		r.answer(m, "\x01")
	}
	if want := 3 * (codec.HeaderSize + 1); len(r.got[1]) != want {
		t.Errorf("client 1 got %d bytes, want %d: three answers", len(r.got[1]), want)
	}
}

// playBad sends what the vector's name says.
func playBad(t *testing.T, v vector) {
	good := codec.AppendMessage(nil, codec.Request, 7, codec.OpHave, []byte("an id"))
	bad := map[string]func(){
		"proto-0x10":      func() { good[1] = 0x10 },
		"bad-op":          func() { good[10] = 4 },
		"response-marked": func() { good[4] = 1 },
		"garbage":         func() { good = []byte("GET / HTTP/1.0\r\n\r\n") },
	}
	_, name, _ := strings.Cut(v.Name, " ")
	spoil, ok := bad[name]
	if !ok {
		t.Fatal("nobody knows this one")
	}
	spoil()
	r := upRig(t, testConfig())
	r.come(1)
	r.send(1, good)
	r.mustGetBytes(1, unhex(t, v.Recv))
	if r.closed[1] != (v.State == "closed") {
		t.Errorf("got closed %v, want %s", r.closed[1], v.State)
	}
	if r.Link().State() != upstream.Up || len(r.seen()) != 0 {
		t.Error("it reached the connection")
	}
}

// sameButUID compares messages.
func sameButUID(a, b []byte) bool {
	a, b = bytes.Clone(a), bytes.Clone(b)
	codec.SetUID(a, 0)
	codec.SetUID(b, 0)
	return bytes.Equal(a, b)
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
