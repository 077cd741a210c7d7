package server

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
	"time"
)

// vector is one connection recorded from the reference dc_server (codec/testdata).
type vector struct {
	Name  string
	Steps []struct {
		Send, Recv string
		State      string  // afterwards: "open" or "closed"
		Sleep      float64 `json:"sleep_s"` // a pause, in seconds
	}
}

// recorderPause is how long the recorder waited after each answer.
const recorderPause = 400 * ms

func TestGolden(t *testing.T) {
	text, err := os.ReadFile("../../codec/testdata/dc_server.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) < 30 {
		t.Fatalf("got %d exchanges, want 30 or more", len(vectors))
	}
	for _, v := range vectors {
		for name, size := range map[string]int{"whole": 1 << 20, "bytewise": 1} {
			t.Run(v.Name+"/"+name, func(t *testing.T) { play(t, v, size) })
		}
	}
}

// play plays an exchange step by step, in pieces of at most size bytes.
func play(t *testing.T, v vector, size int) {
	r := newRig(t, Config{}, 512)
	for i, step := range v.Steps {
		r.now += time.Duration(step.Sleep * float64(time.Second))
		r.Expire(r.now)
		r.send(unhex(t, step.Send), size)
		if got, want := r.take(), unhex(t, step.Recv); string(got) != string(want) {
			t.Errorf("step %d: got %.60x, want %.60x", i, got, want)
		}
		if step.State != "" && r.closed != (step.State == "closed") {
			t.Errorf("step %d: got closed %v, want %s", i, r.closed, step.State)
		}
		if step.Recv != "" {
			r.now += recorderPause
		}
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
