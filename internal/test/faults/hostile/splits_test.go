package hostile

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/codec"
	"distcache/internal/front"
	"distcache/internal/test/kit"
)

// splitter sends requests in two parts, to one daemon.
type splitter struct {
	t         *testing.T
	at        kit.Endpoint
	up        *kit.Upstream // behind dc_client; nil: dc_server is asked itself
	neighbour *kit.Client
	serial    int
}

// piece is a request of which a part has been sent.
type piece struct {
	client *kit.Client
	rest   []byte
	want   []byte
}

// TestH03EverySplitIsAnsweredOnceWhole sends requests of all operations with payloads around
// those that end a frame, alone and as the last of two frames, in two parts: cut within the
// headers, around the frames' ends, and here and there between (everywhere with
// DISTCACHE_FULL=1). There is no answer to the first part, and one to both.
func TestH03EverySplitIsAnsweredOnceWhole(t *testing.T) {
	t.Parallel()
	for _, daemon := range []string{"dc_client", "dc_server"} {
		t.Run(daemon, func(t *testing.T) {
			t.Parallel()
			newSplitter(t, daemon).splitAll()
		})
	}
}

func newSplitter(t *testing.T, daemon string) *splitter {
	s := &splitter{t: t}
	if daemon == "dc_client" {
		s.up = kit.NewUpstream(t, kit.Unix(t))
		_, s.at = kit.NewRig(t).Client(s.up.Endpoint())
	} else {
		_, s.at = kit.NewRig(t).Server()
	}
	s.neighbour = kit.Dial(t, s.at)
	return s
}

func (s *splitter) splitAll() {
	atATime := 64
	if !kit.Full() {
		atATime = 16 // half a request is closed in time: a busy machine must be faster than that
	}
	for _, before := range []int{0, codec.MaxFrameData} {
		for _, last := range lasts() {
			for op := range codec.Op(codec.NumOps) {
				for cuts := range slices.Chunk(s.cuts(op, before+last), atATime) {
					s.split(op, before+last, cuts)
				}
			}
		}
	}
	s.t.Logf("%d requests split", s.serial)
}

// lasts are the lengths of the last frame's data.
func lasts() []int {
	if kit.Full() {
		return []int{0, 1, 2021, 2022, 2023, 2024, 2048}
	}
	return []int{0, 1, 2022, 2048}
}

// cuts are where a request with a payload of n bytes is cut.
func (s *splitter) cuts(op codec.Op, n int) []int {
	const few = 4 // one of so many edges, others for another length
	step := 997
	if kit.Full() {
		step = 1
	}
	request, _ := s.request(op, n)
	all := edges(request)
	if !kit.Full() {
		all = slices.DeleteFunc(all, func(cut int) bool { return cut%few != len(request)%few })
	}
	for at := 1; at < len(request); at += step {
		all = append(all, at)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// request gives a request with a payload of n bytes that no other has, where there is room
// for that, and its answer.
func (s *splitter) request(op codec.Op, n int) (request, answer []byte) {
	uid := uint32(s.serial)
	text := fmt.Sprintf("%06d", s.serial)
	switch room := n - codec.AddOverhead - len(text); {
	case op != codec.OpAdd:
		text = (text + strings.Repeat("i", n))[:n]
		return kit.Ask(uid, op, []byte(text)), kit.Status(uid, op, codec.StatusNotOK)
	case room < 0:
		return kit.Ask(uid, op, make([]byte, n)), kit.Status(uid, op, codec.StatusAddCorrupt)
	default:
		return kit.Add(uid, text, dataOf(room), time.Hour), kit.Status(uid, op, codec.StatusOK)
	}
}

// split sends a request in two parts for each of the cuts.
func (s *splitter) split(op codec.Op, n int, cuts []int) {
	asked := s.asked()
	began := time.Now()
	pieces := s.sendHalves(op, n, cuts)
	for time.Since(began) > front.WholeTimeout/2 { // a busy machine: the clients may be closed before the rest arrives
		closeAll(pieces)
		asked, began = s.asked(), time.Now()
		pieces = s.sendHalves(op, n, cuts)
	}
	for _, p := range pieces {
		p.client.Send(p.rest)
	}
	for _, p := range pieces {
		p.client.Expect(p.want)
	}
	s.mustBeUnanswered("an answered request", op, n, pieces)
	forwarded := len(pieces)
	if op == codec.OpAdd && n < codec.AddOverhead {
		forwarded = 0 // answered by dc_client itself
	}
	s.mustHaveAsked("whole requests", op, n, s.asked()-asked, 2+forwarded)
	s.mustBeThere(op, n, pieces)
}

// sendHalves sends, for each of the cuts, the first part of a request. No answer may come to it.
func (s *splitter) sendHalves(op codec.Op, n int, cuts []int) (pieces []piece) {
	s.t.Helper()
	asked := s.asked()
	for _, cut := range cuts {
		s.serial++
		request, want := s.request(op, n)
		p := piece{kit.Dial(s.t, s.at), request[cut:], want}
		p.client.Send(request[:cut])
		pieces = append(pieces, p)
	}
	s.mustBeUnanswered("half a request", op, n, pieces)
	s.mustHaveAsked("half a request", op, n, s.asked()-asked, 1)
	return pieces
}

func closeAll(pieces []piece) {
	for _, p := range pieces {
		_ = p.client.Close()
	}
}

// mustBeUnanswered holds that the clients have nothing to read. Once the neighbour is served,
// what the others sent before has been taken.
func (s *splitter) mustBeUnanswered(what string, op codec.Op, n int, pieces []piece) {
	s.t.Helper()
	s.neighbour.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	for _, p := range pieces {
		if got := unread(s.t, p.client); got > 0 {
			s.t.Fatalf("%v of %d bytes but for %d: got %d bytes after %s, want none", op, n, len(p.rest), got, what)
		}
	}
}

// asked is how many requests dc_server has had of dc_client.
func (s *splitter) asked() int {
	if s.up == nil {
		return 0
	}
	return s.up.Asked()
}

func (s *splitter) mustHaveAsked(what string, op codec.Op, n, got, want int) {
	s.t.Helper()
	if s.up != nil && got != want {
		s.t.Fatalf("%v of %d bytes: got %d requests at dc_server after %s, want %d", op, n, got, what, want)
	}
}

// mustBeThere holds that what was added came whole, and removes it.
func (s *splitter) mustBeThere(op codec.Op, n int, pieces []piece) {
	s.t.Helper()
	for serial := s.serial - len(pieces) + 1; serial <= s.serial; serial++ {
		if room := n - codec.AddOverhead - 6; op == codec.OpAdd && room > 0 {
			id := fmt.Sprintf("%06d", serial)
			s.neighbour.Send(kit.Get(2, id))
			s.neighbour.Expect(kit.Hit(2, dataOf(room)))
			s.neighbour.ExpectStatus(kit.Remove(3, id), codec.StatusOK)
		}
	}
	closeAll(pieces)
}

// unread is how many bytes have come for the client that it has not read.
func unread(t *testing.T, c *kit.Client) int {
	t.Helper()
	raw, err := c.Socket().(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	var asked error
	if err := raw.Control(func(fd uintptr) { n, asked = unix.IoctlGetInt(int(fd), unix.SIOCINQ) }); err != nil || asked != nil {
		t.Fatal(err, asked)
	}
	return n
}
