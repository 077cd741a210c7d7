package daemon

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// serverVectors are exchanges recorded from the reference dc_server (PROTOCOL.md, head).
const serverVectors = "../../codec/testdata/dc_server.json"

// recorderPause is how long the recorder waited after each answer for more of it, or for
// the end of the connection.
const recorderPause = 400 * time.Millisecond

// vector is one recorded connection to a fresh dc_server.
type vector struct {
	Name  string
	Steps []vectorStep
}

// vectorStep is a pause, or bytes in hex and the state of the connection afterwards.
type vectorStep struct {
	Sleep      float64 `json:"sleep_s"`
	Send, Recv string
	State      string // "open" or "closed"
}

// TestRecordedExchanges replays every recorded exchange to a dc_server that has no sessions:
// directly, and through a dc_client. In the short form all use the same daemons, one after
// the other, and remove what they have added.
func TestRecordedExchanges(t *testing.T) {
	t.Parallel()
	vectors := readVectors(t)
	if len(vectors) < 34 {
		t.Errorf("got %d recorded exchanges, want the 34 that there were", len(vectors))
	}
	for _, row := range []struct {
		name  string
		start func(t *testing.T) kit.Endpoint
	}{{"directly", startServer}, {"through dc_client", startChain}} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var at kit.Endpoint
			if !kit.Full() {
				at = row.start(t)
			}
			for _, v := range vectors {
				t.Run(v.Name, func(t *testing.T) {
					if kit.Full() {
						t.Parallel()
						v.replay(t, row.start(t))
						return
					}
					v.replay(t, at)
					v.remove(t, at)
				})
			}
		})
	}
}

func readVectors(t *testing.T) []vector {
	t.Helper()
	text, err := os.ReadFile(serverVectors)
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatalf("%s: %v", serverVectors, err)
	}
	return vectors
}

func startServer(t *testing.T) kit.Endpoint {
	t.Helper()
	return listenedOn(t, programs()[1].start(t, "-listen", kit.Unix(t).String()))
}

// startChain starts a dc_server and a dc_client in front of it. It gives where the
// latter listens.
func startChain(t *testing.T) kit.Endpoint {
	t.Helper()
	p := program{name: "dc_client", args: []string{"-server", startServer(t).String()}, ready: "connected to dc_server"}
	return listenedOn(t, p.start(t, "-listen", kit.Unix(t).String(), "-timeout", "10000"))
}

func (v vector) replay(t *testing.T, at kit.Endpoint) {
	t.Helper()
	client := kit.Dial(t, at)
	open, pause := true, 10*time.Millisecond // what comes later than that is found by the next step
	if kit.Full() || slices.ContainsFunc(v.Steps, func(s vectorStep) bool { return s.Sleep > 0 }) {
		pause = recorderPause // in which sessions expired
	}
	for _, step := range v.Steps {
		time.Sleep(time.Duration(step.Sleep * float64(time.Second)))
		client.Send(unhex(t, step.Send))
		client.Expect(unhex(t, step.Recv))
		switch step.State {
		case "open":
			client.ExpectQuiet(pause)
		case "closed":
			client.ExpectClosed()
			open = false
		}
	}
	if open {
		client.ExpectStatus(kit.Have(0x5eed, "nobody's"), codec.StatusNotOK)
	}
}

// remove removes the sessions that the exchange has added.
func (v vector) remove(t *testing.T, at kit.Endpoint) {
	t.Helper()
	client := kit.Dial(t, at)
	defer func() { _ = client.Close() }()
	for _, id := range v.added(t) {
		client.Send(kit.Remove(0x5eed, id))
		if _, err := client.ReadMessage(); err != nil {
			t.Fatalf("remove session %q: %v", id, err)
		}
	}
}

// added are the IDs of the sessions that the exchange adds.
func (v vector) added(t *testing.T) (ids []string) {
	t.Helper()
	var sent []byte
	for _, step := range v.Steps {
		sent = append(sent, unhex(t, step.Send)...)
	}
	requests := codec.NewAssembler(codec.Request)
	for {
		m, err := requests.Next(sent)
		if err != nil {
			return ids // the end, or what dc_server does not take either
		}
		if m.Op == codec.OpAdd {
			if a, status := codec.ParseAdd(m.Payload(nil)); status == codec.StatusOK {
				ids = append(ids, string(a.ID))
			}
		}
		sent = sent[len(m.Wire):]
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
