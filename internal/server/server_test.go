package server

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/engine/deadline"
	"distcache/internal/front"
	"distcache/internal/store"
	"distcache/internal/test/kit"
)

func TestLifeOfASession(t *testing.T) {
	r := newRig(t, Config{}, 64)
	id := []byte("id")
	r.mustStatus(codec.OpGet, id, codec.StatusNotOK)
	r.mustStatus(codec.OpAdd, add("id", "data", time.Second), codec.StatusOK)
	if got := r.do(codec.OpGet, id); got != "data" {
		t.Errorf("got %q, want data", got)
	}
	r.mustStatus(codec.OpHave, id, codec.StatusOK)
	r.mustStatus(codec.OpAdd, add("id", "other", time.Second), codec.StatusAddExists)
	r.mustStatus(codec.OpRemove, id, codec.StatusOK)
	r.mustStatus(codec.OpRemove, id, codec.StatusNotOK)
	r.mustStatus(codec.OpHave, id, codec.StatusNotOK)
	if r.Server.Counters.Hits != 1 || r.Server.Counters.Misses != 1 {
		t.Errorf("got %+v, want 1 hit and 1 miss", r.Server.Counters)
	}
}

// TestAddIsChecked holds the codes of PROTOCOL.md.
func TestAddIsChecked(t *testing.T) {
	raw := func(millis, idLen uint32, rest string) []byte {
		b := binary.BigEndian.AppendUint32(nil, millis)
		return append(binary.BigEndian.AppendUint32(b, idLen), rest...)
	}
	const week = 604_800_000
	tests := []struct {
		name    string
		payload []byte
		want    codec.Status
	}{
		{"empty", nil, codec.StatusAddCorrupt},
		{"7 bytes", raw(1, 1, "")[:7], codec.StatusAddCorrupt},
		{"nothing behind the lengths", raw(1, 0, ""), codec.StatusAddCorrupt},
		{"a week", raw(week, 2, "iddata"), codec.StatusOK},
		{"a week and a millisecond", raw(week+1, 2, "iddata"), codec.StatusAddTimeout},
		{"the longest timeout", raw(1<<32-1, 2, "iddata"), codec.StatusAddTimeout},
		{"no id", raw(1, 0, "data"), codec.StatusAddIDLen},
		{"an id of 64 bytes", raw(1, 64, strings.Repeat("i", 64)+"d"), codec.StatusOK},
		{"an id of 65 bytes", raw(1, 65, strings.Repeat("i", 65)+"d"), codec.StatusAddIDLen},
		{"no data", raw(1, 2, "id"), codec.StatusAddCorrupt},
		{"an id longer than the rest", raw(1, 3, "id"), codec.StatusAddCorrupt},
		{"the longest id there can be", raw(1, 1<<32-1, "iddata"), codec.StatusAddCorrupt},
		{"half of that", raw(1, 1<<31, "iddata"), codec.StatusAddCorrupt},
		{"data of 1 byte", raw(1, 1, "id"), codec.StatusOK},
		{"the most data", raw(1, 1, strings.Repeat("x", codec.MaxPayload-codec.AddOverhead)), codec.StatusOK},
		{"timeout 0", raw(0, 2, "iddata"), codec.StatusOK},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			newRig(t, Config{}, 64).mustStatus(codec.OpAdd, tt.payload, tt.want)
		})
	}
}

// TestIDsThatCannotExist are not found (H15).
func TestIDsThatCannotExist(t *testing.T) {
	r := newRig(t, Config{}, 64)
	for _, n := range []int{0, 64, 65, 2049, codec.MaxPayload} {
		id := bytes.Repeat([]byte("i"), n)
		for _, op := range []codec.Op{codec.OpGet, codec.OpRemove, codec.OpHave} {
			r.mustStatus(op, id, codec.StatusNotOK)
		}
	}
}

// TestExpiry holds the last moment of a session, and that of one with no time.
func TestExpiry(t *testing.T) {
	r := newRig(t, Config{}, 64)
	r.mustStatus(codec.OpAdd, add("none", "data", 0), codec.StatusOK)
	r.mustStatus(codec.OpHave, []byte("none"), codec.StatusNotOK)
	r.mustStatus(codec.OpAdd, add("id", "data", time.Second), codec.StatusOK)
	r.now = time.Second
	r.mustStatus(codec.OpHave, []byte("id"), codec.StatusOK)
	r.now = time.Second + late
	r.mustStatus(codec.OpGet, []byte("id"), codec.StatusNotOK)
	r.mustStatus(codec.OpAdd, add("id", "new", time.Second), codec.StatusOK)
	if got := r.do(codec.OpGet, []byte("id")); got != "new" {
		t.Errorf("got %q, want new", got)
	}
}

func TestMinExpiry(t *testing.T) {
	r := newRig(t, Config{MinExpiry: time.Minute}, 64)
	r.mustStatus(codec.OpAdd, add("short", "data", 0), codec.StatusOK)
	r.mustStatus(codec.OpAdd, add("long", "data", time.Hour), codec.StatusOK)
	r.mustStatus(codec.OpAdd, add("over", "data", codec.MaxTimeout+ms), codec.StatusAddTimeout)
	r.now = time.Minute
	r.mustStatus(codec.OpHave, []byte("short"), codec.StatusOK)
	r.now = time.Minute + late
	r.mustStatus(codec.OpHave, []byte("short"), codec.StatusNotOK)
	r.mustStatus(codec.OpHave, []byte("long"), codec.StatusOK)
}

// TestPipelinedBatch asks for far more than one write and one read hold.
func TestPipelinedBatch(t *testing.T) {
	for _, size := range []int{1 << 20, 1000} {
		r := newRig(t, Config{}, 64)
		data := strings.Repeat("data", 2000)
		var asked, want []byte
		ok := func(uid uint32, op codec.Op) {
			want = codec.AppendStatus(want, uid, op, codec.StatusOK)
		}
		for uid := uint32(0); uid < 90; uid += 3 {
			id := fmt.Sprintf("session %d", uid)
			asked = codec.AppendMessage(asked, codec.Request, uid, codec.OpAdd, add(id, data, time.Minute))
			ok(uid, codec.OpAdd)
			asked = codec.AppendMessage(asked, codec.Request, uid+1, codec.OpGet, []byte(id))
			want = codec.AppendMessage(want, codec.Response, uid+1, codec.OpGet, []byte(data))
			asked = codec.AppendMessage(asked, codec.Request, uid+2, codec.OpRemove, []byte(id))
			ok(uid+2, codec.OpRemove)
		}
		if len(asked) < 3*front.ReadBytes || len(want) < 3*front.BatchBytes {
			t.Fatalf("%d bytes asked and %d to answer are too few to show anything", len(asked), len(want))
		}
		if got := r.send(asked, size); got != len(asked) {
			t.Errorf("in pieces of %d: got %d bytes taken, want %d", size, got, len(asked))
		}
		if got := r.take(); !bytes.Equal(got, want) {
			t.Errorf("in pieces of %d: got %d bytes of answers, want %d", size, len(got), len(want))
		}
	}
}

// TestClientThatNeverReads asks and asks: what it makes us hold is bounded, it is not
// read from, and it is ended.
func TestClientThatNeverReads(t *testing.T) {
	r := newRig(t, Config{}, 64)
	r.mustStatus(codec.OpAdd, add("id", strings.Repeat("x", 32_000), time.Hour), codec.StatusOK)
	r.held = true
	get := codec.AppendMessage(nil, codec.Request, 9, codec.OpGet, []byte("id"))
	asked := bytes.Repeat(get, 10_000)
	taken := r.send(asked, 1<<20)
	if taken > front.ReadBytes {
		t.Errorf("got %d bytes taken from a client that does not read, want at most %d", taken, front.ReadBytes)
	}
	if got, most := len(r.take()), front.BatchBytes+codec.MaxMessageSize; got > most {
		t.Errorf("got %d bytes of answers held, want at most %d", got, most)
	}
	r.Expire(front.ReadTimeout)
	if !r.closed || len(r.drops) != 1 || r.drops[0] != front.UnreadTimeout {
		t.Errorf("got closed %v for %v, want it ended for not reading", r.closed, r.drops)
	}
}

// TestClientThatReadsSlowly gets all its answers in order.
func TestClientThatReadsSlowly(t *testing.T) {
	r := newRig(t, Config{}, 64)
	r.mustStatus(codec.OpAdd, add("id", strings.Repeat("x", 10_000), time.Hour), codec.StatusOK)
	var asked, want []byte
	for uid := range uint32(kit.Sized(500, 5000)) {
		asked = codec.AppendMessage(asked, codec.Request, uid, codec.OpGet, []byte("id"))
		want = codec.AppendMessage(want, codec.Response, uid, codec.OpGet, bytes.Repeat([]byte("x"), 10_000))
	}
	r.held = true
	for rest := asked; len(rest) > 0 || len(r.Buffer(1)) == 0; {
		rest = rest[r.send(rest, 1<<20):]
		r.Drained(1, r.now)
	}
	if got := r.take(); !bytes.Equal(got, want) {
		t.Errorf("got %d bytes of answers, want %d", len(got), len(want))
	}
}

func TestEvictionIsTold(t *testing.T) {
	r := newRig(t, Config{}, 64)
	for i := range 100 {
		r.mustStatus(codec.OpAdd, add(fmt.Sprintf("id %d", i), "data", time.Hour+time.Duration(i)*ms), codec.StatusOK)
	}
	if r.evicted != 36 {
		t.Errorf("got %d evicted, want 36", r.evicted)
	}
	r.mustStatus(codec.OpHave, []byte("id 35"), codec.StatusNotOK)
	r.mustStatus(codec.OpHave, []byte("id 36"), codec.StatusOK)
}

// TestExpireInParts drops a crowd of sessions a few at a time, with pauses for clients.
func TestExpireInParts(t *testing.T) {
	const sessions = 2*expirePerCall + 10
	r := newRig(t, Config{}, sessions)
	for i := range sessions {
		r.mustStatus(codec.OpAdd, add(fmt.Sprint(i), "data", time.Second), codec.StatusOK)
	}
	now := r.Deadline()
	if now <= time.Second || now > time.Second+late {
		t.Errorf("got a deadline at %v, want just after 1 s", now)
	}
	for _, want := range []int{expirePerCall + 10, 10, 0} {
		if got := r.Deadline(); got != now {
			t.Errorf("got a deadline at %v, want %v", got, now)
		}
		r.Expire(now)
		if got := r.store.Len(); got != want {
			t.Errorf("got %d sessions left, want %d", got, want)
		}
		r.Expire(now) // too soon for more
		if got := r.store.Len(); got != want {
			t.Errorf("got %d sessions left without the pause, want %d", got, want)
		}
		now += expirePause
	}
	if got := r.Deadline(); got != deadline.Never {
		t.Errorf("got a deadline at %v of an empty store, want never", got)
	}
}

func TestDeadlineIsTheNearest(t *testing.T) {
	r := newRig(t, Config{}, 64)
	if got := r.Deadline(); got != deadline.Never {
		t.Errorf("got a deadline at %v with nothing due, want never", got)
	}
	r.mustStatus(codec.OpAdd, add("id", "data", time.Hour), codec.StatusOK)
	if got := r.Deadline(); got <= time.Hour || got > time.Hour+late {
		t.Errorf("got a deadline at %v, want just after the session's hour", got)
	}
	r.send([]byte{0}, 1)
	if got := r.Deadline(); got != front.WholeTimeout {
		t.Errorf("got a deadline at %v, want that of the half request, %v", got, front.WholeTimeout)
	}
}

func TestGarbage(t *testing.T) {
	r := newRig(t, Config{}, 64)
	asked := codec.AppendMessage(nil, codec.Request, 9, codec.OpHave, []byte("id"))
	r.send(append(asked, "garbage"...), 1<<20)
	if got, want := r.take(), codec.AppendStatus(nil, 9, codec.OpHave, codec.StatusNotOK); !bytes.Equal(got, want) {
		t.Errorf("got %x, want the answer to the request before the garbage, %x", got, want)
	}
	if !r.closed || len(r.drops) != 1 || r.drops[0] != front.Corrupt {
		t.Errorf("got closed %v for %v, want it ended as corrupt", r.closed, r.drops)
	}
}

// slow is a Store that answers later, when the test says so, and in the order that it says.
type slow struct {
	store.Store
	answers store.Answers
	asked   []store.Request
}

func (s *slow) Serve(a store.Answers) { s.answers = a }

func (s *slow) Do(r *store.Request, _ time.Duration) {
	s.asked = append(s.asked, *r)
}

// answer answers the request that came as number i.
func (s *slow) answer(i int, status codec.Status, data string, now time.Duration) {
	r := s.asked[i]
	s.answers.Answer(r.Ticket, r.Op, status, []byte(data), now)
}

// slowRig is a rig over a slow store, which GETs of the ids 0, 1, … have reached.
func slowRig(t *testing.T, gets int) (*rig, *slow) {
	t.Helper()
	r := newRig(t, Config{}, 64)
	s := &slow{Store: r.store}
	s.Serve(r.Server)
	r.Server.store = s
	for i := range gets {
		r.send(codec.AppendMessage(nil, codec.Request, uint32(i), codec.OpGet, fmt.Append(nil, i)), 1<<20)
	}
	if len(s.asked) != gets {
		t.Fatalf("got %d requests at the store, want %d", len(s.asked), gets)
	}
	return r, s
}

// TestStoreThatAnswersLater in any order: each answer goes out under its own uid.
func TestStoreThatAnswersLater(t *testing.T) {
	r, s := slowRig(t, 3)
	if got := r.take(); len(got) > 0 || r.Busy() != 1 {
		t.Errorf("got %x before the store answered, %d busy", got, r.Busy())
	}
	var want []byte
	for _, i := range []int{2, 0, 1} {
		s.answer(i, codec.StatusOK, fmt.Sprint("data ", i), r.now)
		want = codec.AppendMessage(want, codec.Response, uint32(i), codec.OpGet, fmt.Append(nil, "data ", i))
	}
	r.TurnEnded(r.now)
	if got := r.take(); !bytes.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestAnswersForAClientThatLeft reach no other client, also not one under the same number.
func TestAnswersForAClientThatLeft(t *testing.T) {
	r, s := slowRig(t, 2)
	r.Failed(1, errors.New("reset"), r.now)
	s.answer(0, codec.StatusOK, "data", r.now)
	r.closed = false
	r.Opened(1, r.now)
	r.send(codec.AppendMessage(nil, codec.Request, 7, codec.OpGet, []byte("id")), 1<<20)
	s.answer(1, codec.StatusOK, "data", r.now)
	s.answer(2, codec.StatusNotOK, "", r.now)
	r.TurnEnded(r.now)
	if got, want := r.take(), codec.AppendStatus(nil, 7, codec.OpGet, codec.StatusNotOK); !bytes.Equal(got, want) {
		t.Errorf("got %x, want only the answer to the new client, %x", got, want)
	}
}

// TestStoreIsNotAskedForMoreThanTheWindow while it is at work.
func TestStoreIsNotAskedForMoreThanTheWindow(t *testing.T) {
	r, s := slowRig(t, window)
	more := codec.AppendMessage(nil, codec.Request, 7, codec.OpGet, []byte("id"))
	if taken := r.send(more, 1<<20); taken != 0 {
		t.Errorf("got %d bytes taken with %d requests open, want 0", taken, window)
	}
	for i := range window {
		s.answer(i, codec.StatusNotOK, "", r.now)
	}
	r.TurnEnded(r.now)
	r.take()
	if r.send(more, 1<<20); len(s.asked) != window+1 {
		t.Errorf("got %d requests at the store after its answers, want %d", len(s.asked), window+1)
	}
	s.answer(window, codec.StatusNotOK, "", r.now)
}
