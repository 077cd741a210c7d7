package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// addPayload is an ADD's payload with any numbers in it.
func addPayload(millis, idLen uint32, rest string) []byte {
	b := binary.BigEndian.AppendUint32(nil, millis)
	b = binary.BigEndian.AppendUint32(b, idLen)
	return append(b, rest...)
}

// TestAdd holds the codes of PROTOCOL.md, “Operations”, in the order of the checks.
func TestAdd(t *testing.T) {
	t.Parallel()
	_, at := start(t)
	letters := func(n int) string { return strings.Repeat("i", n) }
	for _, row := range []struct {
		name    string
		payload []byte
		want    codec.Status
	}{
		{"0 bytes", nil, codec.StatusAddCorrupt},
		{"7 bytes", addPayload(0, 0, "")[:7], codec.StatusAddCorrupt},
		{"8 bytes", addPayload(0, 0, ""), codec.StatusAddCorrupt},
		{"id_len 0, data", addPayload(1000, 0, "d"), codec.StatusAddIDLen},
		{"id_len 64", addPayload(1000, 64, letters(64)+"d"), codec.StatusOK},
		{"id_len 65", addPayload(1000, 65, letters(65)+"d"), codec.StatusAddIDLen},
		{"id_len as what is left", addPayload(1000, 10, letters(10)), codec.StatusAddCorrupt},
		{"id_len over what is left", addPayload(1000, 11, letters(10)), codec.StatusAddCorrupt},
		{"id_len 2^31", addPayload(1000, 1<<31, letters(10)+"d"), codec.StatusAddCorrupt},
		{"id_len 2^32-1", addPayload(1000, 1<<32-1, letters(10)+"d"), codec.StatusAddCorrupt},
		{"timeout 0", addPayload(0, 2, "t0d"), codec.StatusOK},
		{"timeout 499", addPayload(499, 2, "t1d"), codec.StatusOK},
		{"timeout 500", addPayload(500, 2, "t2d"), codec.StatusOK},
		{"timeout 7 days", addPayload(604800000, 2, "t3d"), codec.StatusOK},
		{"timeout 7 days and 1 ms", addPayload(604800001, 2, "t4d"), codec.StatusAddTimeout},
		{"timeout 2^32-1", addPayload(1<<32-1, 2, "t5d"), codec.StatusAddTimeout},
		{"timeout before corrupt id_len", addPayload(1<<32-1, 99, "t6d"), codec.StatusAddTimeout},
		{"corrupt before id length", addPayload(1000, 65, letters(65)), codec.StatusAddCorrupt},
	} {
		t.Run(row.name, func(t *testing.T) {
			client := kit.Dial(t, at)
			client.ExpectStatus(kit.Ask(1, codec.OpAdd, row.payload), row.want)
			client.ExpectStatus(kit.Have(2, "nobody's"), codec.StatusNotOK) // it is still open
		})
	}
}

// TestImpossibleIDs: what cannot be an id is simply not there.
func TestImpossibleIDs(t *testing.T) {
	t.Parallel()
	_, at := start(t)
	client := kit.Dial(t, at)
	for _, op := range []codec.Op{codec.OpGet, codec.OpHave, codec.OpRemove} {
		for _, length := range []int{0, 64, 65, 2048, 2049, 32768} {
			t.Run(fmt.Sprintf("%v of %d bytes", op, length), func(t *testing.T) {
				client.ExpectStatus(kit.Ask(1, op, bytes.Repeat([]byte{'x'}, length)), codec.StatusNotOK)
			})
		}
	}
}

// TestData gets back what was added, of every length at which frames begin and end.
func TestData(t *testing.T) {
	t.Parallel()
	_, at := start(t)
	client := kit.Dial(t, at)
	const overhead = codec.AddOverhead + len("0000")
	for n, length := range []int{1, 2, 4, 5, 2048 - overhead - 1, 2048 - overhead, 2048 - overhead + 1, 2021, 2022, 2023, 2024,
		2047, 2048, 2049, 4095, 4096, 4097, 16384, 30000, 32768 - overhead} {
		id := fmt.Sprintf("%04d", n)
		data := strings.Repeat("0123456789abcdef", 1+length/16)[:length]
		client.ExpectStatus(kit.Add(1, id, data, time.Minute), codec.StatusOK)
		if got := client.Answer(kit.Get(2, id)); string(got) != data {
			t.Errorf("got %d bytes back, want the %d that were added", len(got), length)
		}
		client.ExpectStatus(kit.Add(3, id, "another", time.Minute), codec.StatusAddExists)
		client.ExpectStatus(kit.Have(4, id), codec.StatusOK)
		client.ExpectStatus(kit.Remove(5, id), codec.StatusOK)
		client.ExpectStatus(kit.Remove(6, id), codec.StatusNotOK)
	}
}

// TestPipeline answers what was sent together, in order.
func TestPipeline(t *testing.T) {
	t.Parallel()
	_, at := start(t)
	client := kit.Dial(t, at)
	var requests, answers []byte
	for uid := uint32(0); uid < 4000; uid += 4 {
		id, data := fmt.Sprint("session ", uid), fmt.Sprint("data ", uid)
		requests = append(requests, kit.Add(uid, id, data, time.Minute)...)
		requests = append(requests, kit.Get(uid+1, id)...)
		requests = append(requests, kit.Remove(uid+2, id)...)
		requests = append(requests, kit.Have(uid+3, id)...)
		answers = append(answers, kit.Status(uid, codec.OpAdd, codec.StatusOK)...)
		answers = append(answers, kit.Hit(uid+1, data)...)
		answers = append(answers, kit.Status(uid+2, codec.OpRemove, codec.StatusOK)...)
		answers = append(answers, kit.Status(uid+3, codec.OpHave, codec.StatusNotOK)...)
	}
	sent := make(chan error, 1)
	go func() { sent <- client.Write(requests) }()
	client.Expect(answers)
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// TestExpiry: a session is there until its time is over, and not after.
func TestExpiry(t *testing.T) {
	t.Parallel()
	_, at := start(t)
	for _, life := range []time.Duration{time.Millisecond, 300 * time.Millisecond, time.Second} {
		t.Run(life.String(), func(t *testing.T) {
			t.Parallel()
			client := kit.Dial(t, at)
			id := "for " + life.String()
			began := time.Now()
			client.ExpectStatus(kit.Add(1, id, "data", life), codec.StatusOK)
			added := time.Now()
			mustLive(t, client, id, began.Add(life), added.Add(life))
			client.ExpectStatus(kit.Add(2, id, "again", time.Minute), codec.StatusOK)
		})
	}
}

// mustLive asks for a session all the time: before notBefore it must be there, and it
// must be gone soon after notAfter.
func mustLive(t *testing.T, client *kit.Client, id string, notBefore, notAfter time.Time) {
	t.Helper()
	late := time.Second // on a busy machine
	if kit.Full() {
		late = 50 * time.Millisecond
	}
	for {
		asked := time.Now()
		status := codec.Status(client.Answer(kit.Have(9, id))[0])
		answered := time.Now()
		switch {
		case status == codec.StatusOK && asked.After(notAfter.Add(late)):
			t.Fatalf("got it still there %v after its time", asked.Sub(notAfter))
		case status == codec.StatusNotOK && answered.Before(notBefore):
			t.Fatalf("got it gone %v before its time", notBefore.Sub(answered))
		case status == codec.StatusNotOK:
			return
		}
	}
}

// TestConnectionsShareSessions: what one adds all others get.
func TestConnectionsShareSessions(t *testing.T) {
	t.Parallel()
	_, at := start(t)
	kit.Dial(t, at).ExpectStatus(kit.Add(1, "shared", "data", time.Minute), codec.StatusOK)
	for range 5 {
		if got := kit.Dial(t, at).Answer(kit.Get(1, "shared")); string(got) != "data" {
			t.Errorf("got %q, want what another connection added", got)
		}
	}
}
