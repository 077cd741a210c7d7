package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

func TestJSON(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Unix(t))
	p, at := start(t, up.Endpoint(), "-json", "-data")
	c := kit.Dial(t, at)
	up.Expect(codec.OpGet, "x").Do(kit.WrongOp)
	up.Expect(codec.OpHave, "y").Do(kit.WrongUID)
	before := time.Now()
	c.Answer(kit.Add(1, "0123456789abcdef", strings.Repeat("d", 5000), time.Minute))
	for _, request := range [][]byte{kit.Ask(2, codec.OpAdd, nil), kit.Get(3, "x"), kit.Have(4, "y")} {
		c.Send(request)
		if _, err := c.ReadMessage(); err != nil {
			t.Fatal(err)
		}
	}
	c.Send([]byte{0xff})
	c.ExpectClosed()
	_ = c.Close()
	id, add := `"id":"30313233343536373839616263646566"`, "0000ea6000000010"
	want := []string{
		`{"conn":1,"kind":"request","to":"server","uid":1,"op":"ADD","frames":3,"len":5024,` + id + `,"data":5000,"timeout_ms":60000,` +
			`"payload":"` + add + "30313233343536373839616263646566" + strings.Repeat("64", 5000) + `"}`,
		`{"conn":1,"kind":"answer","to":"client","uid":1,"op":"ADD","frames":1,"len":1,` + id + `,"status":"OK","payload":"00"}`,
		`{"conn":1,"kind":"request","to":"server","uid":2,"op":"ADD","frames":1,"len":0,"bad":"CORRUPT"}`,
		`{"conn":1,"kind":"answer","to":"client","uid":2,"op":"ADD","frames":1,"len":1,"status":"CORRUPT","payload":"64"}`,
		`{"conn":1,"kind":"request","to":"server","uid":3,"op":"GET","frames":1,"len":1,"id":"78","payload":"78"}`,
		`{"conn":1,"kind":"answer","to":"client","uid":3,"op":"REMOVE","frames":1,"len":1,"id":"78","status":"OK","asked":"GET","payload":"00"}`,
		`{"conn":1,"kind":"request","to":"server","uid":4,"op":"HAVE","frames":1,"len":1,"id":"79","payload":"79"}`,
		`{"conn":1,"kind":"answer","to":"client","uid":4294967291,"op":"HAVE","frames":1,"len":1,"status":"NOTOK","unasked":true,"payload":"01"}`,
		`{"conn":1,"kind":"note","to":"server","note":"not distcache: corrupt proto_level: the version is not 0x0011; passing bytes on undecoded from here on"}`,
		`{"conn":1,"kind":"note","to":"server","note":"undecoded, 1 byte","payload":"ff"}`,
		`{"conn":1,"kind":"note","to":"server","note":"ended: 1 byte passed on undecoded"}`,
		`{"conn":1,"kind":"note","to":"client","note":"closed with 1 request unanswered"}`,
	}
	for i, line := range wantLines(t, p, len(want)) {
		wantJSON(t, line, want[i], before)
	}
}

// wantJSON holds a line against the wanted one, which has no times: those must lie between
// before and now.
func wantJSON(t *testing.T, line, want string, before time.Time) {
	t.Helper()
	got, wanted := make(map[string]any), make(map[string]any)
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatalf("%s: %v", want, err)
	}
	text, _ := got["time"].(string)
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || at.Before(before) || at.After(time.Now()) {
		t.Errorf("got time %q, %v, want one since %v", text, err, before)
	}
	took, timed := got["took_us"].(float64)
	if timed != (got["kind"] == "answer" && got["unasked"] == nil) || timed && (took <= 0 || took > 1e6*patience.Seconds()) {
		t.Errorf("got took_us %v, want the time of an answer in %s", got["took_us"], line)
	}
	delete(got, "time")
	delete(got, "took_us")
	gotText, _ := json.Marshal(got)
	wantText, _ := json.Marshal(wanted)
	if string(gotText) != string(wantText) {
		t.Errorf("got  %s\nwant %s", gotText, wantText)
	}
}
