package main

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// The tests of this file hold the table of PROTOCOL.md, “What dc_client does to a frame”.

// requests is one of each operation.
func requests() map[codec.Op][]byte {
	return map[codec.Op][]byte{
		codec.OpAdd:    kit.Add(0xadd, "session", "data", time.Minute),
		codec.OpGet:    kit.Get(0xadd, "session"),
		codec.OpRemove: kit.Remove(0xadd, "session"),
		codec.OpHave:   kit.Have(0xadd, "session"),
	}
}

// TestNoConnection: the answer is the one byte, and comes at once.
func TestNoConnection(t *testing.T) {
	t.Parallel()
	jitter := measure(t)
	process, at := start(t, nowhere(), "-retry", "3600000")
	process.WaitStderr(patience, "no connection to dc_server")
	for op, request := range requests() {
		for range 50 {
			client := kit.Dial(t, at)
			began := time.Now()
			client.Send(request)
			client.Expect(failed(0xadd, op))
			jitter.MustTake(t, op.String(), time.Since(began), 0, kit.Promptly)
		}
	}
}

// TestConnectionLostInFlight: all who wait are told at once.
func TestConnectionLostInFlight(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		lose func(up *kit.Upstream)
	}{
		{"closed", (*kit.Upstream).CloseAll},
		{"reset", (*kit.Upstream).ResetAll},
		{"stopped", (*kit.Upstream).Stop},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			jitter := measure(t)
			up := kit.NewUpstream(t, kit.Loopback())
			up.After(1).Do(kit.Drop)
			_, at := startLinked(t, up.Endpoint(), "-timeout", "60000", "-retry", "3600000")
			waiting := wait(t, at, up, 100)
			began := time.Now()
			row.lose(up)
			for uid, client := range waiting {
				client.Expect(failed(uint32(uid), codec.OpGet))
			}
			jitter.MustTake(t, "answers", time.Since(began), 0, kit.Promptly)
			for _, client := range waiting {
				client.ExpectQuiet(time.Millisecond)
			}
		})
	}
}

// wait makes clients each of which has asked, and waits until dc_server knows.
func wait(t *testing.T, at kit.Endpoint, up *kit.Upstream, clients int) []*kit.Client {
	t.Helper()
	before := up.Asked()
	var waiting []*kit.Client
	for uid := range clients {
		client := kit.Dial(t, at)
		client.Send(kit.Get(uint32(uid), fmt.Sprint("session ", uid)))
		waiting = append(waiting, client)
	}
	kit.Wait(t, patience, "requests in flight", func() bool { return up.Asked() >= before+clients })
	return waiting
}

// TestServerAtFault lets dc_server answer wrongly to the last of some requests: all get
// the byte at once, the link is closed, and a new one works.
func TestServerAtFault(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		fault kit.Fault
	}{
		{"another operation", kit.WrongOp},
		{"a request for an answer", kit.AsRequest},
		{"wrong version", kit.WrongVersion},
		{"a frame too large", kit.Oversized},
		{"17 frames", kit.SeventeenFrames},
		{"two uids in one message", kit.MixedUIDs},
		{"HTTP", kit.HTTP},
		{"half an answer, then the end", kit.Cut(14)},
		{"half an answer, then a reset", kit.CutReset(13)},
		{"unsolicited without end", kit.Flood},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			jitter := measure(t)
			up := kit.NewUpstream(t, kit.Loopback())
			up.On(func(q kit.Request) bool { return q.Conn == 1 && q.ID == "wrong" }).Do(row.fault)
			up.On(func(q kit.Request) bool { return q.Conn == 1 && q.Number > 1 }).Do(kit.Drop)
			process, at := startLinked(t, up.Endpoint(), "-timeout", "60000", "-retry", "100")
			waiting := wait(t, at, up, 20)
			began := time.Now()
			last := kit.Dial(t, at)
			last.Send(kit.Get(20, "wrong"))
			for uid, client := range append(waiting, last) {
				client.Expect(failed(uint32(uid), codec.OpGet))
			}
			jitter.MustTake(t, "answers", time.Since(began), 0, 10*kit.Promptly)
			process.WaitStderr(patience, "lost dc_server")
			mustComeBack(t, up, at)
		})
	}
}

// mustComeBack holds that a second connection to dc_server serves.
func mustComeBack(t *testing.T, up *kit.Upstream, at kit.Endpoint) {
	t.Helper()
	client := kit.Dial(t, at)
	kit.Wait(t, patience, "answer of dc_server", func() bool {
		return codec.Status(client.Answer(kit.Have(1, "nobody's"))[0]) == codec.StatusNotOK
	})
	if got := up.Conns(); got != 2 {
		t.Errorf("got %d connections to dc_server, want a second one and no more", got)
	}
}

// TestServerOdd lets dc_server answer rightly in odd ways: no client notices.
func TestServerOdd(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Loopback())
	for n := range 20 {
		up.Put(fmt.Sprint("session ", n), strings.Repeat(fmt.Sprint(n, " "), 20*n), time.Hour)
	}
	_, at := startLinked(t, up.Endpoint())
	for _, row := range []struct {
		name  string
		fault kit.Fault
	}{
		{"twice", kit.Duplicate},
		{"a byte at a time", kit.ByteByByte},
		{"all but the last byte, then that", kit.HoldBack(1, 30*time.Millisecond)},
		{"all but 4 bytes, then those", kit.HoldBack(4, 30*time.Millisecond)},
		{"after others that nobody asked for", kit.Unsolicited(10)},
		{"after some time", kit.Delay(20 * time.Millisecond)},
		{"in another order", kit.Late(20 * time.Millisecond)},
	} {
		t.Run(row.name, func(t *testing.T) {
			up.Honest() // no more of the row before
			up.On(func(q kit.Request) bool { return q.Op == codec.OpGet && q.UID%2 == 0 }).Do(row.fault)
			for round := range 3 {
				for n, client := range wait(t, at, up, 20) {
					want := strings.Repeat(fmt.Sprint(n, " "), 20*n)
					if want == "" {
						continue
					}
					client.Expect(kit.Hit(uint32(n), want))
					if round == 2 {
						client.ExpectQuiet(5 * time.Millisecond)
					}
				}
			}
			mustKeepItsLink(t, up)
		})
	}
}

// TestServerSaysWhatNobodyAsked before there is any request: that is no dc_server that
// can be relied on, but clients notice nothing.
func TestServerSaysWhatNobodyAsked(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Loopback())
	_, at := startLinked(t, up.Endpoint(), "-timeout", "1500")
	client := kit.Dial(t, at)
	up.On(func(q kit.Request) bool { return q.ID == "wrong uid" }).Do(kit.WrongUID)
	client.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	client.ExpectStatus(kit.Have(2, "wrong uid"), codec.StatusDisconnected) // at the timeout
	client.ExpectStatus(kit.Have(3, "nobody's"), codec.StatusNotOK)
	mustKeepItsLink(t, up)
}

// TestWrongServer: what does not answer the probe as a dc_server is never taken for one.
func TestWrongServer(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		connect kit.Fault // done on connect
		probe   kit.Fault // to the probe
	}{
		{"HTTP", nil, kit.HTTP},
		{"closes", kit.CloseUnanswered, nil},
		{"resets", kit.ResetUnanswered, nil},
		{"speaks first", kit.Unsolicited(1), nil},
		{"disconnected itself", nil, kit.Reply([]byte{byte(codec.StatusDisconnected)})},
		{"another operation", nil, kit.WrongOp},
		{"an empty answer", nil, kit.Reply(nil)},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var healed atomic.Bool
			up := kit.NewUpstream(t, kit.Loopback())
			up.OnConnect(func(x *kit.Exchange) {
				if row.connect != nil && !healed.Load() {
					row.connect(x)
				}
			})
			up.On(func(kit.Request) bool { return row.probe != nil && !healed.Load() }).Do(row.probe)
			process, at := start(t, up.Endpoint(), "-retry", "50")
			kit.Wait(t, patience, "some attempts", func() bool { return up.Conns() > 3 })
			kit.Dial(t, at).ExpectStatus(kit.Have(1, "nobody's"), codec.StatusDisconnected)
			if text := process.Stderr(); strings.Contains(text, "connected to dc_server") {
				t.Errorf("got %q, want no connection that counts as one", text)
			}
			healed.Store(true)
			process.WaitStderr(patience, "connected to dc_server")
			kit.Dial(t, at).ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
		})
	}
}

// TestAnswersPassUnchanged: whatever the payload is.
func TestAnswersPassUnchanged(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Loopback())
	_, at := startLinked(t, up.Endpoint())
	client := kit.Dial(t, at)
	for _, length := range []int{0, 1, 2, 2020, 2021, 2024, 2025, 2047, 2048, 2049, 4069, 4096, 30000, 32768} {
		id := fmt.Sprint(length, " bytes")
		payload := bytes.Repeat([]byte("0123456789abcdef"), 2048)[:length]
		up.Expect(codec.OpGet, id).Reply(payload)
		if got := client.Answer(kit.Get(uint32(length), id)); !bytes.Equal(got, payload) {
			t.Errorf("got %d bytes, want the %d that dc_server sent", len(got), length)
		}
	}
	for status := range 256 {
		id := fmt.Sprint("status ", status)
		up.Expect(codec.OpRemove, id).Status(codec.Status(status))
		client.ExpectStatus(kit.Remove(1, id), codec.Status(status))
	}
}

// TestServerEndsAfterAnswers: what it had answered before is delivered first.
func TestServerEndsAfterAnswers(t *testing.T) {
	t.Parallel()
	const clients = 50
	up := kit.NewUpstream(t, kit.Loopback())
	up.After(0).Do(kit.FinishAfter(1 + clients))
	_, at := startLinked(t, up.Endpoint(), "-retry", "3600000")
	for uid, client := range wait(t, at, up, clients) {
		client.Expect(kit.Status(uint32(uid), codec.OpGet, codec.StatusNotOK))
	}
	kit.Wait(t, patience, "end of the link", func() bool {
		return codec.Status(kit.Dial(t, at).Answer(kit.Have(1, "nobody's"))[0]) == codec.StatusDisconnected
	})
}
