package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"distcache/bench/load/plan"
	"distcache/codec"
	"distcache/internal/test/kit"
)

// patience is how long a test waits for what must come, on a busy machine.
const patience = time.Minute

func TestMain(m *testing.M) {
	kit.Suite{Parallel: 8, Programs: map[string]func(){program: main}}.Run(m)
}

// tool runs dc_test in this process.
func tool(args ...string) (code int, stdout, stderr string) {
	var out, messages bytes.Buffer
	code = run(args, &out, &messages)
	return code, out.String(), messages.String()
}

// startTool runs dc_test as a process of its own.
func startTool(t *testing.T, args ...string) *kit.Process {
	t.Helper()
	return kit.Start(t, kit.Program(t, program), args...)
}

func serve(t *testing.T) (*kit.Upstream, string) {
	t.Helper()
	server := kit.NewUpstream(t, kit.Unix(t))
	return server, server.Endpoint().String()
}

// TestHonestServer is silent: the run may take longer than a line of progress by time, so -progress is by count.
func TestHonestServer(t *testing.T) {
	server, at := serve(t)
	code, stdout, stderr := tool("-connect", at, "-seed", "5", "-progress", "1001")
	if code != 0 || stderr != "" {
		t.Fatalf("got exit code %d and %q, want 0 and silence", code, stderr)
	}
	if got := server.Asked(); got != 1000 {
		t.Errorf("got %d requests, want 10 * sessions * sessions = 1000", got)
	}
	for _, want := range []string{"ADD", "GET", "REMOVE", "HAVE", "all   1000", "rate/s", "p50 us", "p99.9 us", "max us", "-seed 5 -salt", "closed loop"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("got no %q in the table, want it:\n%s", want, stdout)
		}
	}
}

func TestFlagsHaveTheirEffect(t *testing.T) {
	tests := map[string]struct {
		args  []string
		holds func(r *kit.Upstream) bool
	}{
		"-ops":                {[]string{"-ops", "77"}, func(u *kit.Upstream) bool { return u.Asked() == 77 }},
		"-sessions":           {[]string{"-sessions", "3"}, func(u *kit.Upstream) bool { return u.Asked() == 90 && len(ids(u)) == 3 }},
		"-clients":            {[]string{"-sessions", "2", "-clients", "4"}, func(u *kit.Upstream) bool { return u.Asked() == 160 && len(ids(u)) == 8 }},
		"-datamin, -datamax":  {[]string{"-ops", "200", "-datamin", "3000", "-datamax", "3001"}, func(u *kit.Upstream) bool { return between(u, 3000, 3001) }},
		"-persistent":         {[]string{"-ops", "200", "-persistent"}, func(u *kit.Upstream) bool { return u.Conns() == 2 }},
		"not -persistent":     {nil, func(u *kit.Upstream) bool { return u.Conns() == 1001 }},
		"-pipeline":           {[]string{"-ops", "200", "-pipeline", "9"}, func(u *kit.Upstream) bool { return u.Conns() == 2 && u.Asked() == 200 }},
		"-mix":                {[]string{"-ops", "200", "-mix", "0:1:0:0"}, func(u *kit.Upstream) bool { return count(u, codec.OpGet) == 200 }},
		"-mix tls12":          {[]string{"-ops", "200", "-mix", "tls12"}, func(u *kit.Upstream) bool { return between(u, 126, 172) && len(ids(u)) > 80 }},
		"-mix tls13 -datamax": {[]string{"-ops", "200", "-mix", "tls13", "-datamax", "127"}, func(u *kit.Upstream) bool { return between(u, 126, 127) }},
		"-preload":            {[]string{"-ops", "200", "-preload"}, func(u *kit.Upstream) bool { return u.Asked() == 210 }},
		"-timeout, -timevar":  {[]string{"-ops", "200", "-timeout", "3600", "-timevar", "0"}, func(u *kit.Upstream) bool { return lives(u, time.Hour) }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, at := serve(t)
			code, stdout, stderr := tool(append(test.args, "-connect", at)...)
			if code != 0 || !test.holds(server) {
				t.Errorf("got exit code %d, %q, %d requests on %d connections about %d sessions\n%s",
					code, stderr, server.Asked(), server.Conns(), len(ids(server)), stdout)
			}
		})
	}
}

func ids(u *kit.Upstream) map[string]bool {
	all := map[string]bool{}
	for _, q := range u.Requests() {
		all[q.ID] = true
	}
	return all
}

func count(u *kit.Upstream, op codec.Op) int {
	n := 0
	for _, q := range u.Requests() {
		if q.Op == op {
			n++
		}
	}
	return n
}

// adds gives the payloads of all ADDs.
func adds(u *kit.Upstream) []codec.Add {
	var all []codec.Add
	for _, q := range u.Requests() {
		requests := codec.NewAssembler(codec.Request)
		if m, err := requests.Next(q.Wire); err == nil && m.Op == codec.OpAdd {
			a, _ := codec.ParseAdd(m.Payload(nil))
			all = append(all, a)
		}
	}
	return all
}

func between(u *kit.Upstream, low, high int) bool {
	for _, a := range adds(u) {
		if len(a.Data) < low || len(a.Data) > high {
			return false
		}
	}
	return len(adds(u)) > 0
}

func lives(u *kit.Upstream, want time.Duration) bool {
	for _, a := range adds(u) {
		if a.Timeout != want {
			return false
		}
	}
	return len(adds(u)) > 0
}

// TestChecksCanBeEased has a server lie, in ways that a flag says are to be let pass.
func TestChecksCanBeEased(t *testing.T) {
	tests := map[string]struct {
		plant func(u *kit.Upstream)
		args  []string
		ease  []string
	}{
		"-verify": {func(u *kit.Upstream) {
			u.On(func(q kit.Request) bool { return q.Op == codec.OpHave }).Status(codec.StatusOK)
		}, nil, []string{"-verify", "frames"}},
		"-lossy": {func(u *kit.Upstream) {
			u.On(func(q kit.Request) bool { return q.Op == codec.OpAdd }).Do(func(x *kit.Exchange) {
				u.Lose(x.Request.ID)
				kit.Pass(x)
			})
		}, nil, []string{"-lossy"}},
		"-slack": {func(u *kit.Upstream) {
			u.On(func(q kit.Request) bool { return q.Op == codec.OpAdd }).Do(func(x *kit.Exchange) {
				time.AfterFunc(500*time.Millisecond, func() { u.Lose(x.Request.ID) })
				kit.Pass(x)
			})
		}, expiring(), []string{"-slack", "10000"}},
		"-wait": {func(u *kit.Upstream) {
			u.On(func(q kit.Request) bool { return q.UID%256 == 0 }).Do(kit.Delay(400 * time.Millisecond))
		}, []string{"-wait", "200"}, []string{"-wait", "20000"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, at := serve(t)
			test.plant(server)
			if code, _, _ := tool(append(test.args, "-connect", at, "-seed", "1")...); code != 1 {
				t.Errorf("without: got exit code %d, want 1", code)
			}
			args := test.args
			if name == "-wait" {
				args = nil
			}
			code, _, stderr := tool(append(append(args, test.ease...), "-connect", at, "-seed", "1")...)
			if code == 1 && strings.Contains(stderr, " 0 failed, ") && strings.Contains(stderr, "never started") && !kit.Full() {
				t.Skip("other work left the machine no time for the rate")
			}
			if code != 0 {
				t.Errorf("with: got exit code %d, want 0:\n%s", code, stderr)
			}
		})
	}
}

func TestLengthAndRate(t *testing.T) {
	jitter := kit.MeasureJitter(t)
	least := 1 // of 100 operations; other work may leave the machine no time for the rate
	if kit.Full() {
		least = 97
	}
	server, at := serve(t)
	path := filepath.Join(t.TempDir(), "report.json")
	began := time.Now()
	code, _, stderr := tool("-connect", at, "-warmup", "500ms", "-duration", "1", "-rate", "300", "-persistent", "-json", path)
	if code == 1 && strings.Contains(stderr, "never started") && !kit.Full() {
		t.Skip("other work left the machine no time for the rate")
	}
	if took := time.Since(began); code != 0 || took < 1400*time.Millisecond || took > patience {
		t.Errorf("got exit code %d after %v, want 0 after 1.5 s\n%s", code, took, stderr)
	}
	var got plan.Report
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &got)
	}
	if err != nil {
		t.Fatal(err)
	}
	if kit.Full() {
		jitter.MustBeBelow(t, 50*time.Millisecond)
	}
	late := int(300 * jitter.Allowance().Seconds()) // what becomes due while the machine is
	if n := int(got.All.Count); n < 3*least-late || n > 301+late {
		t.Errorf("got %d operations counted, want the 300 of one second, or %d more or less", n, late)
	}
	if n := server.Asked(); n < 9*least/2-late || n > 451+late {
		t.Errorf("the server got %d requests, want the 450 of one and a half, or %d more or less", n, late)
	}
	// On a busy machine an operation may begin and end on two sides of the warmup's end.
	if got.Config.Rate != 300 || got.Config.Duration != 1 || got.Config.Warmup != 0.5 ||
		got.StartDelay.Count == 0 || kit.Full() && got.StartDelay.Count != got.All.Count {
		t.Errorf("got config %+v and %d delays, want what was given and a delay for each operation", got.Config, got.StartDelay.Count)
	}
}

func TestSeedReproduces(t *testing.T) {
	wires := func(args ...string) []byte {
		server, at := serve(t)
		if code, _, stderr := tool(append(args, "-connect", at, "-ops", "300")...); code != 0 {
			t.Fatalf("got exit code %d and %q, want 0", code, stderr)
		}
		var all []byte
		for _, q := range server.Requests() {
			all = append(all, q.Wire...)
		}
		return all
	}
	first := wires("-seed", "12345678901234567890", "-salt", "9")
	if again := wires("-seed", "12345678901234567890", "-salt", "9"); !bytes.Equal(first, again) {
		t.Error("the same seed and salt asked something else")
	}
	if other := wires("-seed", "1", "-salt", "9"); bytes.Equal(first, other) {
		t.Error("another seed asked the same")
	}
	// The second run meets what the first one left, and must not take that for its own.
	server, at := serve(t)
	for range 2 {
		if code, _, stderr := tool("-seed", "7", "-connect", at, "-ops", "300"); code != 0 {
			t.Errorf("got exit code %d and %q, want 0 also for a run that is repeated", code, stderr)
		}
	}
	if got := len(ids(server)); got != 20 {
		t.Errorf("got %d sessions in two runs, want 20", got)
	}
}

func TestViolation(t *testing.T) {
	tests := map[string]struct {
		plant func(u *kit.Upstream)
		args  []string
		want  plan.Fault
	}{
		"flips a byte": {func(u *kit.Upstream) {
			u.On(func(q kit.Request) bool { return q.Op == codec.OpGet }).Do(func(x *kit.Exchange) {
				if len(x.Answer) > codec.HeaderSize+1 {
					kit.FlipByte(x)
				} else {
					kit.Pass(x)
				}
			})
		}, nil, plan.FaultData},
		"drops an answer": {func(u *kit.Upstream) {
			u.On(func(q kit.Request) bool { return q.UID%16 == 0 }).Do(kit.Drop)
		}, []string{"-wait", "200"}, plan.FaultMissing},
		"swaps uids": {func(u *kit.Upstream) {
			u.On(func(q kit.Request) bool { return q.UID%16 == 0 }).Do(kit.WrongUID)
		}, nil, plan.FaultUID},
		"answers OK to what is not there": {func(u *kit.Upstream) {
			u.On(func(q kit.Request) bool { return q.Op == codec.OpHave }).Status(codec.StatusOK)
		}, nil, plan.FaultFound},
		"answers twice": {func(u *kit.Upstream) {
			u.On(func(q kit.Request) bool { return q.UID%16 == 0 }).Do(kit.Duplicate)
		}, []string{"-persistent"}, plan.FaultSecond},
		"lets sessions expire early": {func(u *kit.Upstream) {
			u.On(func(q kit.Request) bool { return q.Op == codec.OpAdd }).Do(func(x *kit.Exchange) {
				time.AfterFunc(500*time.Millisecond, func() { u.Lose(x.Request.ID) })
				kit.Pass(x)
			})
		}, expiring(), plan.FaultLost},
		"lets sessions expire late": {func(u *kit.Upstream) {
			u.On(func(q kit.Request) bool { return q.Op == codec.OpAdd }).Do(func(x *kit.Exchange) {
				requests := codec.NewAssembler(codec.Request)
				m, _ := requests.Next(x.Request.Wire)
				if a, _ := codec.ParseAdd(m.Payload(nil)); x.Answer[codec.HeaderSize] == byte(codec.StatusOK) {
					u.Put(string(a.ID), string(a.Data), a.Timeout+500*time.Millisecond)
				}
				kit.Pass(x)
			})
		}, expiring(), plan.FaultFound},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, at := serve(t)
			test.plant(server)
			code, stdout, stderr := tool(append(test.args, "-connect", at)...)
			if code != 1 {
				t.Errorf("got exit code %d, want 1", code)
			}
			for _, want := range []string{"violation   " + string(test.want), "request, ", "answer, ", "request_uid 0x", "proto_level 0x00110000",
				"session ID", "seed", "dc_test: " + string(test.want)} {
				if !strings.Contains(stderr, want) {
					t.Errorf("got no %q on stderr, want it:\n%s", want, stderr)
				}
			}
			if !strings.Contains(stdout, "p99.9 us") {
				t.Errorf("got no table of what was measured before:\n%s", stdout)
			}
		})
	}
}

// expiring are flags with which sessions live for a second and are asked for until they are gone.
func expiring() []string {
	return []string{"-timeout", "1", "-timevar", "0", "-mix", "1:1:0:1", "-duration", "3s", "-rate", "100", "-sessions", "20"}
}

func TestFailuresMakeItFail(t *testing.T) {
	for _, lossy := range []bool{false, true} {
		server, at := serve(t)
		server.On(func(q kit.Request) bool { return q.UID%16 == 0 }).Status(codec.StatusDisconnected)
		args := []string{"-connect", at}
		wantCode := 1
		if lossy {
			args, wantCode = append(args, "-lossy"), 0
		}
		code, stdout, stderr := tool(args...)
		if code != wantCode || !strings.Contains(stdout, "errors: disconnected ") {
			t.Errorf("lossy %t: got exit code %d and table\n%s\nwant %d and the errors by kind", lossy, code, stdout, wantCode)
		}
		if got := strings.Contains(stderr, "of 1000 operations failed"); got == lossy {
			t.Errorf("lossy %t: got %q on stderr", lossy, stderr)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	at := kit.Unix(t).String()
	code, stdout, stderr := tool("-connect", at)
	if want := "dc_test: cannot connect to " + at; code != 1 || stdout != "" || !strings.HasPrefix(stderr, want) {
		t.Errorf("got exit code %d, %q and %q, want 1, nothing and %q", code, stdout, stderr, want)
	}
}

func TestJSON(t *testing.T) {
	_, at := serve(t)
	path := filepath.Join(t.TempDir(), "report.json")
	if err := os.WriteFile(path, bytes.Repeat([]byte("old and long "), 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := tool("-connect", at, "-seed", "3", "-json", path, "-clients", "2"); code != 0 {
		t.Fatalf("got exit code %d and %q, want 0", code, stderr)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Tool string
		plan.Report
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v in %.200s", err, text)
	}
	if got.Config.Seed != 3 || got.Config.Clients != 2 || got.All.Count != 2000 || !strings.HasPrefix(got.Tool, "dc_test ") {
		t.Errorf("got seed %d, %d clients, %d operations by %q, want 3, 2, 2000 by dc_test", got.Config.Seed, got.Config.Clients, got.All.Count, got.Tool)
	}
}

func TestJSONThatCannotBeWritten(t *testing.T) {
	server, at := serve(t)
	code, _, stderr := tool("-connect", at, "-json", filepath.Join(t.TempDir(), "none", "report.json"))
	if code != 1 || !strings.Contains(stderr, "-json: open ") || server.Asked() != 0 {
		t.Errorf("got exit code %d, %q and %d requests, want 1, the reason, and no load before", code, stderr, server.Asked())
	}
}

func TestJSONOfAViolation(t *testing.T) {
	server, at := serve(t)
	server.On(func(kit.Request) bool { return true }).Do(kit.WrongOp)
	path := filepath.Join(t.TempDir(), "report.json")
	code, _, _ := tool("-connect", at, "-json", path)
	text, err := os.ReadFile(path)
	if code != 1 || err != nil || !strings.Contains(string(text), `"fault": "`+string(plan.FaultOperation)+`"`) {
		t.Errorf("got exit code %d and %.300s (%v), want 1 and the violation", code, text, err)
	}
}

func TestInterrupt(t *testing.T) {
	server, at := serve(t)
	process := startTool(t, "-connect", at, "-duration", "1h", "-clients", "5")
	process.Wait(patience, "load", func() bool { return server.Asked() > 100 })
	process.Signal(os.Interrupt)
	if code := process.Exit(patience); code != 1 {
		t.Errorf("got exit code %d, want 1", code)
	}
	if !strings.Contains(process.Stdout(), "p99.9 us") || !strings.Contains(process.Stderr(), "interrupted") {
		t.Errorf("got %q and %q, want the table and the reason", process.Stdout(), process.Stderr())
	}
}
