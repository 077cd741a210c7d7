package codec

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
)

// The vectors are exchanges recorded from the reference tools (PROTOCOL.md, head).
// Each holds bytes in hex, by whose they are.

// serverVector is one connection to dc_server.
type serverVector struct {
	Name  string
	Steps []struct {
		Send, Recv string
		State      string // of the connection afterwards: "open" or "closed"
	}
}

// clientVector is one connection to dc_client, and what dc_server saw meanwhile.
type clientVector struct {
	Name          string
	Send          string
	Recv          string
	OurRecv       string   `json:"our_recv"`
	ReferenceRecv string   `json:"reference_recv"`
	Upstream      []string // each a message, the uid is the proxy's own
	Chunks        []string `json:"upstream_chunks"` // the last is what ended the recording
	State         string
}

func readVectors[V any](t testing.TB, path string) []V {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var vectors []V
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if len(vectors) == 0 {
		t.Fatalf("%s: no vectors", path)
	}
	return vectors
}

func TestGoldenServer(t *testing.T) {
	open, closed := 0, 0
	for _, v := range readVectors[serverVector](t, "testdata/dc_server.json") {
		t.Run(v.Name, func(t *testing.T) {
			var sent, received []byte
			for _, step := range v.Steps {
				sent = append(sent, unhex(t, step.Send)...)
				received = append(received, unhex(t, step.Recv)...)
				switch step.State {
				case "closed":
					closed++
					mustBeCorrupt(t, sent)
					return
				case "open":
					open++
					mustNotBeCorrupt(t, sent)
				}
			}
			answers := mustParse(t, received, Response)
			mustAnswer(t, mustParse(t, sent, Request), answers)
		})
	}
	if open < 30 || closed < 10 {
		t.Errorf("got %d steps that leave the connection open and %d that close it, want 30 and 10 or more", open, closed)
	}
}

func TestGoldenClient(t *testing.T) {
	messages := 0
	for _, v := range readVectors[clientVector](t, "testdata/dc_client.json") {
		t.Run(v.Name, func(t *testing.T) {
			asked := mustParse(t, unhex(t, v.Send), Request)
			for _, answer := range []string{v.Recv, v.OurRecv, v.ReferenceRecv} {
				messages += len(mustParse(t, unhex(t, answer), Response))
			}
			if len(v.Chunks) > 0 {
				v.Upstream = append(v.Upstream, v.Chunks[:len(v.Chunks)-1]...)
			}
			for _, seen := range v.Upstream {
				messages += len(mustParse(t, unhex(t, seen), Request))
			}
			if v.OurRecv != "" {
				mustAnswer(t, asked, mustParse(t, unhex(t, v.OurRecv), Response))
			}
		})
	}
	if messages < 15 {
		t.Errorf("got %d messages in all, want 15 or more", messages)
	}
}

func mustBeCorrupt(t *testing.T, stream []byte) {
	t.Helper()
	if wires, rest := drive(stream, Request, func() int { return len(stream) }); rest != corrupt || len(wires) > 0 {
		t.Errorf("got %d messages, then %s, want corrupt: the recorded connection was closed", len(wires), rest)
	}
}

func mustNotBeCorrupt(t *testing.T, stream []byte) {
	t.Helper()
	if _, rest := drive(stream, Request, func() int { return len(stream) }); rest == corrupt {
		t.Error("got corrupt, want messages: the recorded connection stayed open")
	}
}

// mustParse parses stream whole and byte by byte, with nothing left over, and encodes
// what it got again.
func mustParse(t *testing.T, stream []byte, dir Direction) []Message {
	t.Helper()
	var messages []Message
	a := NewAssembler(dir)
	for rest := stream; len(rest) > 0; {
		m, err := a.Next(rest)
		if err != nil {
			t.Fatalf("got %v at byte %d of %d, want a message", err, len(stream)-len(rest), len(stream))
		}
		mustEncodeAgain(t, m, dir)
		messages = append(messages, m)
		rest = rest[len(m.Wire):]
	}
	wires, rest := drive(stream, dir, func() int { return 1 })
	if len(wires) != len(messages) || rest != short {
		t.Fatalf("got %d messages byte by byte, then %s, want %d, then nothing", len(wires), rest, len(messages))
	}
	return messages
}

// mustEncodeAgain encodes m frame by frame to the same bytes, and also from its
// payload alone, which is the same where each header is as we write it.
func mustEncodeAgain(t *testing.T, m Message, dir Direction) {
	t.Helper()
	var frames []byte
	ours := true
	for rest := m.Wire; len(rest) > 0; {
		h, err := ParseHeader(rest, dir)
		if err != nil {
			t.Fatalf("got %v of a frame within a message", err)
		}
		end := HeaderSize + h.DataLen
		frames = append(AppendHeader(frames, h), rest[HeaderSize:end]...)
		rest = rest[end:]
		ours = ours && h.Patch == 0 && (!h.Complete || h.DataLen > 0 || m.Single())
	}
	if !bytes.Equal(frames, m.Wire) {
		t.Fatalf("got %d bytes that differ from the frames encoded again, want %d", len(frames), len(m.Wire))
	}
	if again := AppendMessage(nil, dir, m.UID, m.Op, m.Payload(nil)); ours && !bytes.Equal(again, m.Wire) {
		t.Fatalf("got %d bytes that differ from the payload encoded again, want %d", len(again), len(m.Wire))
	}
}

// mustAnswer holds each answer against its request: uid and operation are echoed, and
// an ADD's payload gives the status that was recorded.
func mustAnswer(t *testing.T, requests, answers []Message) {
	t.Helper()
	if len(requests) != len(answers) {
		t.Fatalf("got %d requests and %d answers, want as many", len(requests), len(answers))
	}
	for i, r := range requests {
		answer := answers[i]
		if answer.UID != r.UID || answer.Op != r.Op {
			t.Errorf("got answer %d with uid %#x, %v, want %#x, %v", i, answer.UID, answer.Op, r.UID, r.Op)
		}
		if r.Op == OpAdd {
			mustGiveStatus(t, r, answer)
		}
	}
}

func mustGiveStatus(t *testing.T, add, answer Message) {
	t.Helper()
	recorded, err := ParseStatus(answer)
	if err != nil {
		t.Fatalf("got %v of the answer to an ADD", err)
	}
	want := recorded
	if want == StatusAddExists || want == StatusDisconnected {
		want = StatusOK // the payload is good; what was wrong is not in it
	}
	if _, got := ParseAdd(add.Payload(nil)); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
