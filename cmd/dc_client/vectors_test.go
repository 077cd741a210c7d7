package main

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// vectors are exchanges recorded from the reference dc_client (PROTOCOL.md, head).
const vectors = "../../codec/testdata/dc_client.json"

// vector is one connection to dc_client, and what dc_server saw meanwhile.
type vector struct {
	Name     string
	Send     string
	Recv     string
	OurRecv  string   `json:"our_recv"`
	Upstream []string // the uid is dc_client's own
	Chunks   []string `json:"upstream_chunks"`
	State    string
}

// garbage is what the vectors named client-bad sent, which is not in them.
var garbage = map[string]string{
	"client-bad proto-0x10":      "0010000000000000070001010001aa",
	"client-bad bad-op":          "0011000000000000070004010001aa",
	"client-bad response-marked": "0011000001000000070001010001aa",
	"client-bad garbage":         hex.EncodeToString([]byte("GET / HTTP/1.0\r\n\r\n")),
}

// TestRecordedExchanges replays what was recorded of the reference dc_client, with the
// answers that ours are to be where they differ.
func TestRecordedExchanges(t *testing.T) {
	t.Parallel()
	replays := map[string]func(t *testing.T, v vector){
		"no-server":      replayWithoutServer,
		"in-flight-lost": replayLost,
		"pipelined":      replayPipelined,
		"client-bad":     replayGarbage,
	}
	for _, v := range readVectors(t) {
		kind, _, _ := strings.Cut(v.Name, " ")
		replay, ok := replays[kind]
		if !ok {
			t.Errorf("%s: got a vector that no test here knows", v.Name)
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			replay(t, v)
		})
	}
}

func readVectors(t *testing.T) []vector {
	t.Helper()
	text, err := os.ReadFile(vectors)
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatalf("%s: %v", vectors, err)
	}
	if len(all) < 12 {
		t.Errorf("got %d recorded exchanges, want the 12 that there were", len(all))
	}
	return all
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func replayWithoutServer(t *testing.T, v vector) {
	_, at := start(t, nowhere())
	client := kit.Dial(t, at)
	client.Send(unhex(t, v.Send))
	client.Expect(unhex(t, v.OurRecv))
	client.Send(unhex(t, v.Send)) // the connection goes on
	client.Expect(unhex(t, v.OurRecv))
}

// replayLost asks what the recorded dc_server saw, and loses the connection to it.
func replayLost(t *testing.T, v vector) {
	up := kit.NewUpstream(t, kit.Loopback())
	up.After(1).Do(kit.CloseUnanswered)
	_, at := startLinked(t, up.Endpoint())
	request := unhex(t, v.Upstream[0])
	codec.SetUID(request, 0xdeadbeef)
	client := kit.Dial(t, at)
	client.Send(request)
	client.Expect(unhex(t, v.Recv))
	mustHaveForwarded(t, up, request)
}

// mustHaveForwarded holds that dc_server saw the requests, with uids of dc_client's own,
// in any order, and no others but probes.
func mustHaveForwarded(t *testing.T, up *kit.Upstream, want ...[]byte) {
	t.Helper()
	var got []string
	uids := map[uint32]bool{}
	for _, q := range up.Requests() {
		if q.Number == 1 {
			continue // the probe
		}
		if uids[q.UID] {
			t.Errorf("got uid %#x twice, want one for each request", q.UID)
		}
		uids[q.UID] = true
		codec.SetUID(q.Wire, 0)
		got = append(got, string(q.Wire))
	}
	if len(got) != len(want) {
		t.Errorf("got %d requests at dc_server, want %d", len(got), len(want))
	}
	for n, request := range want {
		request = append([]byte(nil), request...)
		codec.SetUID(request, 0)
		if !contains(got, string(request)) {
			t.Errorf("got no request %d at dc_server, want it as it was sent but for the uid", n)
		}
	}
}

func contains(all []string, one string) bool {
	for _, each := range all {
		if each == one {
			return true
		}
	}
	return false
}

// replayPipelined sends three requests together, and one of three frames from another
// client.
func replayPipelined(t *testing.T, v vector) {
	up := kit.NewUpstream(t, kit.Loopback())
	_, at := startLinked(t, up.Endpoint())
	have, add := unhex(t, v.Chunks[0]), unhex(t, v.Chunks[1])
	one, other := kit.Dial(t, at), kit.Dial(t, at)
	var requests, answers [][]byte
	for uid := range uint32(3) {
		request := append([]byte(nil), have...)
		codec.SetUID(request, 100+uid)
		requests = append(requests, request)
		answers = append(answers, kit.Status(100+uid, codec.OpHave, codec.StatusNotOK))
	}
	one.Send(requests...)
	one.Expect(answers...)
	codec.SetUID(add, 0xfeed)
	other.Send(add)
	other.Expect(kit.Status(0xfeed, codec.OpAdd, codec.StatusOK))
	mustHaveForwarded(t, up, append(requests, add)...)
}

func replayGarbage(t *testing.T, v vector) {
	sent, ok := garbage[v.Name]
	if !ok || v.State != "closed" || v.Recv != "" {
		t.Fatalf("got a vector that this test does not know: %+v", v)
	}
	up := kit.NewUpstream(t, kit.Loopback())
	_, at := startLinked(t, up.Endpoint())
	client, neighbour := kit.Dial(t, at), kit.Dial(t, at)
	client.Send(unhex(t, sent))
	client.ExpectClosed()
	neighbour.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	mustKeepItsLink(t, up)
}
