package hostile

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"distcache/internal/daemon/service"
	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// attackerEnv makes the test binary an attacker, of the kind that the JSON in it tells.
const attackerEnv = "DISTCACHE_TEST_ATTACKER"

// orders are what an attacker is to do.
type orders struct {
	At     kit.Endpoint
	Door   kit.Endpoint  // what is attacked, where that is not At
	Attack string        // a key of attacks
	Times  int           // how often to act; 0: until SIGTERM
	Every  time.Duration // how far apart; 0: at once again
}

// report is what an attacker tells when it ends, as JSON on stdout.
type report struct {
	Acts      int
	Took      time.Duration // for these
	Sent, Got int64         // bytes
	Datagrams int64         // that were sent
	CPU       time.Duration // of its own
}

// attack readies an attacker, and gives what it is to do again and again.
type attack func(at kit.Endpoint, count *traffic) (act func(), err error)

// beAttacker is the attacker's whole life.
func beAttacker(text string) error {
	var o orders
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	if err := schedule(ordinary, 0); err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	var count traffic
	target := o.At
	if o.Door.Network != "" {
		target = o.Door
	}
	act, err := attacks()[o.Attack](target, &count)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, attacking)
	began := time.Now()
	r := report{Acts: repeat(o, act, stop), Took: time.Since(began)}
	r.Sent, r.Got, r.Datagrams = count.sent.Load(), count.got.Load(), count.datagrams.Load()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return err
	}
	r.CPU = time.Duration(used.Utime.Nano() + used.Stime.Nano())
	return json.NewEncoder(os.Stdout).Encode(r)
}

// attacking is what an attacker writes to stderr once it is ready.
const attacking = "attacking"

// repeat acts as ordered, and gives how often it did. What it is late, it makes up for.
func repeat(o orders, act func(), stop <-chan os.Signal) (acts int) {
	due := time.Now()
	for o.Times == 0 || acts < o.Times {
		act()
		acts++
		if due = due.Add(o.Every); stopped(stop, time.Until(due)) {
			break
		}
	}
	return acts
}

// stopped waits for that long, and reports whether it was told to stop.
func stopped(stop <-chan os.Signal, wait time.Duration) bool {
	if wait <= 0 {
		return len(stop) > 0
	}
	select {
	case <-stop:
		return true
	case <-time.After(wait):
		return false
	}
}

// startAttacker lets an attacker loose, in a process of its own, and waits until it is ready.
// It is an ordinary process beside daemons and victims that are favoured: it stands for other
// machines' clients, and what it costs to play them is not the daemon's.
func startAttacker(t *testing.T, o orders) *kit.Process {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	p := kit.Command{Path: os.Args[0], Env: []string{attackerEnv + "=" + string(text)}}.Start(t)
	p.WaitStderr(patience, attacking)
	return p
}

// mustReport gives what an attacker did, once it has ended.
func mustReport(t *testing.T, p *kit.Process) (r report) {
	t.Helper()
	code := p.Exit(time.Minute)
	if err := json.Unmarshal([]byte(p.Stdout()), &r); err != nil || code != 0 {
		t.Fatalf("an attacker ended with %d, %v, want its report; stderr:\n%s", code, err, p.Stderr())
	}
	return r
}

// needDescriptors raises the limit of this process, and of the attackers it starts.
func needDescriptors(t *testing.T, want int) {
	t.Helper()
	if got, err := service.RaiseNofile(want); got < want {
		t.Skipf("only %d descriptors may be open (%v), %d are needed", got, err, want)
	}
}

// traffic is what passed over the connections of an attacker: bytes, and datagrams.
type traffic struct{ sent, got, datagrams atomic.Int64 }

// visitor is one connection of an attacker. Its errors are dropped: what hostile clients
// do is refused at any moment.
type visitor struct {
	sock  net.Conn
	count *traffic
}

// visit connects.
func visit(at kit.Endpoint, count *traffic) (*visitor, error) {
	sock, err := net.Dial(at.Network, at.Address)
	if err != nil {
		return nil, err
	}
	_ = sock.SetDeadline(time.Now().Add(patience))
	return &visitor{sock, count}, nil
}

// send reports whether all went out.
func (v *visitor) send(b []byte) bool {
	n, err := v.sock.Write(b)
	v.count.sent.Add(int64(n))
	return err == nil
}

func (v *visitor) read(n int) {
	got, _ := io.ReadFull(v.sock, make([]byte, n))
	v.count.got.Add(int64(got))
}

// readLate reads n bytes at one go, once they are all there: the cheapest way.
func (v *visitor) readLate(n int) {
	raw, err := v.sock.(*net.UnixConn).SyscallConn()
	if err != nil {
		return
	}
	b, got := make([]byte, n), 0
	_ = raw.Read(func(fd uintptr) bool {
		there, _, err := unix.Recvfrom(int(fd), b, unix.MSG_PEEK|unix.MSG_DONTWAIT)
		if err == unix.EAGAIN || err == nil && there > 0 && there < n {
			return false
		}
		got, _, _ = unix.Recvfrom(int(fd), b, unix.MSG_DONTWAIT)
		return true
	})
	v.count.got.Add(int64(got))
}

// readAll reads until the other side ends the connection.
func (v *visitor) readAll() {
	b := make([]byte, 1<<16)
	for {
		n, err := v.sock.Read(b)
		v.count.got.Add(int64(n))
		if err != nil {
			return
		}
	}
}

func (v *visitor) leave() { _ = v.sock.Close() }
