package kit

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
)

// faulty gives a Client of an Upstream that passes a probe and then does that with every
// request; session "id" holds "data". The probe has been answered.
func faulty(t *testing.T, at Endpoint, fault Fault) *Client {
	t.Helper()
	u := NewUpstream(t, at)
	u.Put("id", "data", time.Hour)
	u.After(1).Do(fault)
	c := Dial(t, u.Endpoint())
	c.ExpectStatus(Have(0, "probe"), codec.StatusNotOK)
	return c
}

// TestFaultsOnTheWire compares the bytes that each fault puts on the wire, in place of the
// answer to a GET of "id" with uid 0x01020304.
func TestFaultsOnTheWire(t *testing.T) {
	const uid = 0x01020304
	const head = "00110000" + "01" + "01020304" + "00" + "01"
	full := append(unhex(t, head+"00"+"0800"), make([]byte, 2048)...)
	tests := []struct {
		name  string
		fault Fault
		want  []byte
	}{
		{"Pass", Pass, unhex(t, head+"01"+"0004"+"64617461")},
		{"Duplicate", Duplicate, slices.Concat(Hit(uid, "data"), Hit(uid, "data"))},
		{"ByteByByte", ByteByByte, Hit(uid, "data")},
		{"WrongUID", WrongUID, unhex(t, "00110000"+"01"+"fefdfcfb"+"00"+"01"+"01"+"0004"+"64617461")},
		{"WrongOp", WrongOp, unhex(t, "00110000"+"01"+"01020304"+"00"+"02"+"01"+"0001"+"00")},
		{"AsRequest", AsRequest, unhex(t, "00110000"+"00"+"01020304"+"00"+"01"+"01"+"0004"+"64617461")},
		{"WrongVersion", WrongVersion, unhex(t, "00100000"+"01"+"01020304"+"00"+"01"+"01"+"0004"+"64617461")},
		{"Oversized", Oversized, append(unhex(t, head+"01"+"0801"), make([]byte, 2049)...)},
		{"SeventeenFrames", SeventeenFrames, append(bytes.Repeat(full, 16), spoilt(full, func(b []byte) { b[11] = 1 })...)},
		{"MixedUIDs", MixedUIDs, append(bytes.Clone(full), unhex(t, "00110000"+"01"+"fefdfcfb"+"00"+"01"+"01"+"0001"+"00")...)},
		{"FlipByte", FlipByte, unhex(t, head+"01"+"0004"+"6461749e")},
		{"Reply", Reply([]byte("other")), Hit(uid, "other")},
		{"Reply nothing", Reply(nil), unhex(t, head+"01"+"0000")},
		{"Unsolicited", Unsolicited(1), slices.Concat(Status(0xfeed0000, codec.OpGet, codec.StatusNotOK), Hit(uid, "data"))},
		{"Delay", Delay(time.Millisecond), Hit(uid, "data")},
		{"Late", Late(time.Millisecond), Hit(uid, "data")},
		{"HoldBack", HoldBack(3, time.Millisecond), Hit(uid, "data")},
		{"HoldBack all", HoldBack(99, time.Millisecond), Hit(uid, "data")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onEachNetwork(t, func(t *testing.T, at Endpoint) {
				c := faulty(t, at, tt.fault)
				c.Send(Get(uid, "id"))
				c.Expect(tt.want)
				c.ExpectQuiet(2 * time.Millisecond)
			})
		})
	}
}

// TestFaultsThatEnd checks how a connection ends after the bytes of the fault.
func TestFaultsThatEnd(t *testing.T) {
	tests := []struct {
		name  string
		fault Fault
		want  string
		reset bool
	}{
		{"CloseUnanswered", CloseUnanswered, "", false},
		{"ResetUnanswered", ResetUnanswered, "", true},
		{"Cut in the header", Cut(5), "0011000001", false},
		{"Cut before the last byte", Cut(17), "0011000001" + "00000001" + "0001010004" + "646174", false},
		{"Cut past the end", Cut(99), "0011000001" + "00000001" + "0001010004" + "64617461", false},
		{"CutReset", CutReset(5), "0011000001", true},
		{"HTTP", HTTP, hex.EncodeToString([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")), false},
		{"FinishAfter", FinishAfter(2), "0011000001" + "00000001" + "0001010004" + "64617461", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := faulty(t, Loopback(), tt.fault)
			c.Send(Get(1, "id"))
			got, err := c.ReadAll()
			if hex.EncodeToString(got) != tt.want {
				t.Errorf("got %x, want %s", got, tt.want)
			}
			if tt.reset != errors.Is(err, syscall.ECONNRESET) || !tt.reset && err != nil {
				t.Errorf("got %v at the end, want reset %v", err, tt.reset)
			}
		})
	}
}

func TestFinishAfterAnswersWhatWasAskedBefore(t *testing.T) {
	u := NewUpstream(t, Loopback())
	u.Put("id", "data", time.Hour)
	u.After(0).Do(FinishAfter(3))
	c := Dial(t, u.Endpoint())
	c.Send(Get(1, "id"), Get(2, "id"), Get(3, "id"))
	c.Expect(Hit(1, "data"), Hit(2, "data"), Hit(3, "data"))
	if got, err := c.Read(1); !errors.Is(err, io.EOF) {
		t.Errorf("got %x, %v, want %v", got, err, io.EOF)
	}
	c.Send(Get(4, "id"))
	Wait(t, Patience, "fourth request", func() bool { return u.Asked() == 4 })
}

func TestDropGoesOn(t *testing.T) {
	u := NewUpstream(t, Unix(t))
	u.On(func(q Request) bool { return q.UID == 1 }).Do(Drop)
	c := Dial(t, u.Endpoint())
	c.Send(Get(1, "id"), Get(2, "id"))
	c.Expect(Status(2, codec.OpGet, codec.StatusNotOK))
}

func TestStopReading(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, at Endpoint) {
		u := NewUpstream(t, at)
		u.OnConnect(StopReading)
		c := Dial(t, u.Endpoint())
		c.SetPatience(100 * time.Millisecond)
		// More than what sockets hold between two ends that do not read.
		err := c.Write(make([]byte, 16<<20))
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want the write to wait", err)
		}
		if u.Asked() != 0 || len(u.Corrupt()) != 0 || u.Open() != 1 {
			t.Errorf("got %d asked, %v corrupt, %d open, want nothing read of 1 connection", u.Asked(), u.Corrupt(), u.Open())
		}
	})
}

func TestFlood(t *testing.T) {
	u := NewUpstream(t, Unix(t))
	u.OnConnect(Flood)
	c := Dial(t, u.Endpoint())
	for range 100_000 {
		m, err := c.ReadMessage()
		if err != nil || m.UID != 0xfeedface {
			t.Fatalf("got uid %#x, %v, want 0xfeedface", m.UID, err)
		}
	}
	_ = c.Close()
	Wait(t, Patience, "end of the flood", func() bool { return u.Open() == 0 })
}

// Twenty answers 100 ms away take 100 ms and not 2 s: it is a long way, not a slow server.
func TestDelayIsOfEachByItself(t *testing.T) {
	u := NewUpstream(t, Unix(t))
	const d = 100 * time.Millisecond
	u.After(0).Times(19).Do(Delay(d))
	c := Dial(t, u.Endpoint())
	began := time.Now()
	for uid := range uint32(20) {
		c.Send(Get(uid, "id"))
	}
	for uid := range uint32(20) {
		c.Expect(Status(uid, codec.OpGet, codec.StatusNotOK))
	}
	if took := time.Since(began); took < d {
		t.Errorf("got all after %v, want %v at least", took, d)
	} else if took > 10*d {
		TooSlow(t, "got all after %v, want %v and far less than 20 times as much", took, d)
	}
}

func TestLateIsOvertaken(t *testing.T) {
	t.Parallel()
	u := NewUpstream(t, Unix(t))
	u.On(func(q Request) bool { return q.UID == 1 }).Do(Late(time.Second))
	c := Dial(t, u.Endpoint())
	began := time.Now()
	c.Send(Get(1, "id"), Get(2, "id"))
	c.Expect(Status(2, codec.OpGet, codec.StatusNotOK), Status(1, codec.OpGet, codec.StatusNotOK))
	if took := time.Since(began); took < time.Second || took > Patience {
		t.Errorf("got it after %v, want a second and not much more", took)
	}
}

func TestHoldBack(t *testing.T) {
	t.Parallel()
	c := faulty(t, Loopback(), HoldBack(4, time.Second))
	want := Hit(1, "data")
	began := time.Now()
	c.Send(Get(1, "id"))
	c.Expect(want[:len(want)-4])
	c.ExpectQuiet(20 * time.Millisecond)
	c.Expect(want[len(want)-4:])
	if took := time.Since(began); took < time.Second || took > Patience {
		t.Errorf("got the rest after %v, want a second and not much more", took)
	}
}

func TestWriteAfterHoldsNothingBefore(t *testing.T) {
	t.Parallel()
	c := faulty(t, Unix(t), func(x *Exchange) {
		x.Write([]byte("a"))
		x.WriteAfter(time.Second, []byte("b"))
		x.Write([]byte("c"))
	})
	c.Send(Get(1, "id"))
	c.Expect([]byte("a"))
	c.ExpectQuiet(20 * time.Millisecond)
	c.Expect([]byte("bc"))
}

func TestTrickle(t *testing.T) {
	c := faulty(t, Loopback(), func(x *Exchange) { x.Trickle(x.Answer, 9, 100*time.Millisecond) })
	began := time.Now()
	c.Send(Get(1, "id"))
	want := Hit(1, "data")
	c.Expect(want[:9])
	c.Expect(want[9:])
	if took := time.Since(began); took < 100*time.Millisecond || took > Patience {
		t.Errorf("got the rest after %v, want 100ms and not much more", took)
	}
}

func TestSwapUIDs(t *testing.T) {
	u := NewUpstream(t, Unix(t))
	u.Put("a", "data of a", time.Hour)
	u.Put("b", "data of b", time.Hour)
	u.After(0).Times(2).Do(SwapUIDs())
	c := Dial(t, u.Endpoint())
	c.Send(Get(1, "a"))
	c.ExpectQuiet(5 * time.Millisecond)
	c.Send(Get(2, "b"))
	c.Expect(Hit(2, "data of a"), Hit(1, "data of b"))
}

// What a request asked for is done, whatever becomes of its answer.
func TestFaultsComeAfterTheEffect(t *testing.T) {
	u := NewUpstream(t, Unix(t))
	u.Expect(codec.OpAdd, "id").Do(CloseUnanswered)
	c := Dial(t, u.Endpoint())
	c.Send(Add(1, "id", "data", time.Hour))
	c.ExpectClosed()
	if !u.Has("id") {
		t.Error("got no session, want it kept")
	}
}
