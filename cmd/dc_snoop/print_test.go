package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestPrints shows all operations in one connection.
func TestPrints(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Unix(t))
	p, at := start(t, up.Endpoint())
	c := kit.Dial(t, at)
	id := "0123456789abcdef0123456789abcdef"
	c.Answer(kit.Add(1, id, strings.Repeat("d", 3000), 5*time.Minute))
	c.Answer(kit.Add(0xfffffffe, id, "other", 5*time.Minute))
	c.Answer(kit.Get(3, id))
	c.Answer(kit.Have(4, id))
	c.Answer(kit.Remove(5, id))
	c.Answer(kit.Get(6, "short"))
	wantText(t, wantLines(t, p, 12),
		"#1 > uid=00000001 ADD    len=3040 id=303132333435…6566/32 data=3000 timeout=300000ms",
		"#1 < uid=00000001 ADD    len=1 OK took=T id=303132333435…6566/32",
		"#1 > uid=fffffffe ADD    len=45 id=303132333435…6566/32 data=5 timeout=300000ms",
		"#1 < uid=fffffffe ADD    len=1 EXISTS took=T id=303132333435…6566/32",
		"#1 > uid=00000003 GET    len=32 id=303132333435…6566/32",
		"#1 < uid=00000003 GET    len=3000 HIT took=T id=303132333435…6566/32",
		"#1 > uid=00000004 HAVE   len=32 id=303132333435…6566/32",
		"#1 < uid=00000004 HAVE   len=1 OK took=T id=303132333435…6566/32",
		"#1 > uid=00000005 REMOVE len=32 id=303132333435…6566/32",
		"#1 < uid=00000005 REMOVE len=1 OK took=T id=303132333435…6566/32",
		"#1 > uid=00000006 GET    len=5 id=73686f7274/5",
		"#1 < uid=00000006 GET    len=1 NOTOK took=T id=73686f7274/5",
	)
	stop(t, p)
}

// TestPrintsTheTime: the line begins with the time of day, and tells how long the answer took.
func TestPrintsTheTime(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Unix(t))
	const late = 30 * time.Millisecond
	up.After(0).Do(kit.Delay(late))
	p, at := start(t, up.Endpoint())
	before := time.Now()
	kit.Dial(t, at).Answer(kit.Get(1, "id"))
	lines := wantLines(t, p, 2)
	after := time.Now()
	text, _, _ := strings.Cut(lines[0], " ")
	y, m, d := before.Date()
	clock, err := time.ParseInLocation(timeLayout, text, time.Local)
	at0 := time.Date(y, m, d, clock.Hour(), clock.Minute(), clock.Second(), clock.Nanosecond(), time.Local)
	if at0.Before(before.Truncate(time.Second)) { // midnight has passed
		at0 = at0.AddDate(0, 0, 1)
	}
	if err != nil || at0.Before(before.Truncate(time.Microsecond)) || at0.After(after) {
		t.Errorf("got time %q, %v, want one between %v and %v", text, err, before, after)
	}
	_, rest, _ := strings.Cut(lines[1], " took=")
	text, _, _ = strings.Cut(rest, " ")
	took, err := time.ParseDuration(text)
	if err != nil || took < late || took > after.Sub(before) {
		t.Errorf("got took=%s, %v, want %v to %v", text, err, late, after.Sub(before))
	}
}

// TestTellsConnectionsApart: by number, in the order in which they came.
func TestTellsConnectionsApart(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Unix(t))
	p, at := start(t, up.Endpoint())
	first, second := kit.Dial(t, at), kit.Dial(t, at)
	second.Answer(kit.Have(7, "b"))
	first.Answer(kit.Have(7, "a"))
	wantText(t, wantLines(t, p, 4),
		"#2 > uid=00000007 HAVE   len=1 id=62/1",
		"#2 < uid=00000007 HAVE   len=1 NOTOK took=T id=62/1",
		"#1 > uid=00000007 HAVE   len=1 id=61/1",
		"#1 < uid=00000007 HAVE   len=1 NOTOK took=T id=61/1",
	)
}

// TestPrintsOddMessages: what is valid and yet not as it should be.
func TestPrintsOddMessages(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Unix(t))
	p, at := start(t, up.Endpoint())
	c := kit.Dial(t, at)
	up.Expect(codec.OpGet, "wrong").Do(kit.WrongOp)
	up.Expect(codec.OpHave, "empty").Reply(nil)
	up.Expect(codec.OpHave, "long").Reply([]byte("123"))
	up.Expect(codec.OpRemove, "gone").Status(codec.StatusDisconnected)
	up.Expect(codec.OpGet, "twice").Do(kit.Duplicate)
	for _, request := range [][]byte{
		kit.Ask(1, codec.OpAdd, []byte("1234567")), kit.Get(2, "wrong"), kit.Have(3, "empty"),
		kit.Have(4, "long"), kit.Remove(5, "gone"), kit.Get(6, "twice"),
	} {
		c.Send(request)
		if _, err := c.ReadMessage(); err != nil {
			t.Fatal(err)
		}
	}
	wantText(t, wantLines(t, p, 13),
		"#1 > uid=00000001 ADD    len=7 id=/0 bad=CORRUPT",
		"#1 < uid=00000001 ADD    len=1 CORRUPT took=T id=/0",
		"#1 > uid=00000002 GET    len=5 id=77726f6e67/5",
		"#1 < uid=00000002 REMOVE len=1 OK took=T id=77726f6e67/5 but the request was GET",
		"#1 > uid=00000003 HAVE   len=5 id=656d707479/5",
		"#1 < uid=00000003 HAVE   len=0 EMPTY took=T id=656d707479/5",
		"#1 > uid=00000004 HAVE   len=4 id=6c6f6e67/4",
		"#1 < uid=00000004 HAVE   len=3 3_BYTES took=T id=6c6f6e67/4",
		"#1 > uid=00000005 REMOVE len=4 id=676f6e65/4",
		"#1 < uid=00000005 REMOVE len=1 DISCONNECTED took=T id=676f6e65/4",
		"#1 > uid=00000006 GET    len=5 id=7477696365/5",
		"#1 < uid=00000006 GET    len=1 NOTOK took=T id=7477696365/5",
		"#1 < uid=00000006 GET    len=1 NOTOK unasked: no open request has this uid",
	)
}

// TestMatchesPipelinedRequests: also where they have one uid, each answer finds its request.
func TestMatchesPipelinedRequests(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Unix(t))
	p, at := start(t, up.Endpoint())
	c := kit.Dial(t, at)
	c.Send(kit.Have(9, "a"), kit.Have(9, "b"), kit.Have(8, "c"))
	for range 3 {
		if _, err := c.ReadMessage(); err != nil {
			t.Fatal(err)
		}
	}
	var answers []string
	for _, line := range wantLines(t, p, 6) {
		if strings.Contains(line, " < ") {
			answers = append(answers, line)
		}
	}
	wantText(t, answers,
		"#1 < uid=00000009 HAVE   len=1 NOTOK took=T id=61/1",
		"#1 < uid=00000009 HAVE   len=1 NOTOK took=T id=62/1",
		"#1 < uid=00000008 HAVE   len=1 NOTOK took=T id=63/1",
	)
}

func TestStatusNames(t *testing.T) {
	t.Parallel()
	tests := []struct {
		op      codec.Op
		payload string
		want    string
	}{
		{codec.OpAdd, "\x00", "OK"}, {codec.OpAdd, "\x65", "EXISTS"}, {codec.OpAdd, "\x66", "TIMEOUT_RANGE"},
		{codec.OpAdd, "\x67", "ID_LENGTH"}, {codec.OpAdd, "\x68", "DATA_LENGTH"}, {codec.OpAdd, "\x07", "Status(7)"},
		{codec.OpGet, "\x01", "NOTOK"}, {codec.OpGet, "\x02", "DISCONNECTED"}, {codec.OpGet, "\x00", "HIT"},
		{codec.OpGet, "data", "HIT"}, {codec.OpGet, "", "EMPTY"}, {codec.OpHave, "\x00\x00", "2_BYTES"},
	}
	for _, test := range tests {
		if got := statusName(test.op, []byte(test.payload)); got != test.want {
			t.Errorf("%v %q: got %s, want %s", test.op, test.payload, got, test.want)
		}
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	tests := []struct {
		filter string
		want   []string // the operations of the lines
	}{
		{"get", []string{"GET", "GET"}},
		{"Remove,HAVE", []string{"HAVE", "HAVE", "REMOVE", "REMOVE"}},
		{"add,get,remove,have", []string{"ADD", "ADD", "GET", "GET", "HAVE", "HAVE", "REMOVE", "REMOVE"}},
	}
	for _, test := range tests {
		t.Run(test.filter, func(t *testing.T) {
			t.Parallel()
			up := kit.NewUpstream(t, kit.Unix(t))
			p, at := start(t, up.Endpoint(), "-filter", test.filter)
			c := kit.Dial(t, at)
			c.Answer(kit.Add(1, "id", "data", time.Minute))
			c.Answer(kit.Get(2, "id"))
			c.Answer(kit.Have(3, "id"))
			c.Answer(kit.Remove(4, "id"))
			stop(t, p)
			var got []string
			for line := range strings.Lines(p.Stdout()) {
				got = append(got, strings.Fields(line)[4])
			}
			if strings.Join(got, " ") != strings.Join(test.want, " ") {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestData(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Unix(t))
	p, at := start(t, up.Endpoint(), "-data")
	c := kit.Dial(t, at)
	c.Answer(kit.Add(1, "id", "a session of bytes", 0x01020304*time.Millisecond))
	c.Answer(kit.Get(2, "id"))
	c.Send([]byte("HTTP"))
	c.ExpectClosed()
	_ = c.Close()
	lines := wantLines(t, p, 14)
	wantText(t, lines[:12],
		"#1 > uid=00000001 ADD    len=28 id=6964/2 data=18 timeout=16909060ms",
		"    00000000  01 02 03 04 00 00 00 02  69 64 61 20 73 65 73 73  |........ida sess|",
		"    00000010  69 6f 6e 20 6f 66 20 62  79 74 65 73              |ion of bytes|",
		"#1 < uid=00000001 ADD    len=1 OK took=T id=6964/2",
		"    00000000  00                                                |.|",
		"#1 > uid=00000002 GET    len=2 id=6964/2",
		"    00000000  69 64                                             |id|",
		"#1 < uid=00000002 GET    len=18 HIT took=T id=6964/2",
		"    00000000  61 20 73 65 73 73 69 6f  6e 20 6f 66 20 62 79 74  |a session of byt|",
		"    00000010  65 73                                             |es|",
		"#1 > -- not distcache: corrupt proto_level: the version is not 0x0011; passing bytes on undecoded from here on",
		"#1 > -- undecoded, 4 bytes",
	)
	wantText(t, lines[12:],
		"    00000000  48 54 54 50                                       |HTTP|",
		"#1 > -- ended: 4 bytes passed on undecoded",
	)
}

// TestNothingObeyedByATerminalIsPrinted: no control character comes through, whatever the peers
// send and however errors are worded.
func TestNothingObeyedByATerminalIsPrinted(t *testing.T) {
	t.Parallel()
	var every string
	for r := range rune(256) {
		every += string(r) + string([]byte{byte(r)})
	}
	w, r := newTestWatcher(&config{data: true})
	w.saw(time.Now(), codec.Request, kit.Add(1, every[:codec.MaxIDLen], every, time.Minute))
	w.saw(time.Now(), codec.Request, kit.Get(2, every))
	w.saw(time.Now(), codec.Response, kit.Hit(2, every))
	w.saw(time.Now(), codec.Request, []byte(every))
	w.refused(time.Now(), errors.New(every))
	w.undelivered(time.Now(), codec.Request, errors.New(every))
	w.closed(time.Now())
	var stderr bytes.Buffer
	r.stderr = &stderr
	var printed []byte
	items, _, _ := r.queue.take(nil)
	for _, i := range items {
		if i.event != nil {
			printed = appendJSON(appendText(printed, i.event), i.event)
		}
		if i.complaint != "" {
			r.say(i.complaint)
		}
	}
	for _, c := range string(printed) + stderr.String() {
		if c != '\n' && !unicode.IsGraphic(c) || c == utf8.RuneError {
			t.Fatalf("got %q printed, want it escaped", c)
		}
	}
	if want := `cannot connect to the server: \x00\x00\x01\x01`; !strings.Contains(string(printed), want) || !strings.Contains(stderr.String(), want) {
		t.Errorf("got no %q, want it in the output and on stderr", want)
	}
}
