package network

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"distcache/internal/test/kit"
)

// Addresses within a lan; each lan has its own, so they need not differ.
const (
	clientIP  = "10.11.12.1"
	serverIP  = "10.11.12.2"
	wire      = "v0" // what the cable is called on either side
	stranger  = "02:00:00:00:00:99"
	cachePort = "9001"
)

// lan is two namespaces with a cable.
type lan struct {
	t              *testing.T
	client, server string // the namespaces' names
}

// newLAN makes one, until the test ends.
func newLAN(t *testing.T) *lan {
	t.Helper()
	name := newNamespace(t)
	n := &lan{t: t, client: name, server: newNamespace(t)}
	n.ip("link", "add", wire, "netns", n.client, "type", "veth", "peer", "name", wire, "netns", n.server)
	for ns, ip := range map[string]string{n.client: clientIP, n.server: serverIP} {
		n.ip("-n", ns, "addr", "add", ip+"/24", "dev", wire)
		n.ip("-n", ns, "link", "set", wire, "up")
	}
	return n
}

// newNamespace makes a network namespace with a loopback interface, until the test ends.
func newNamespace(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: cannot make network namespaces")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skipf("no ip(8): %v", err)
	}
	f, err := os.CreateTemp("/run", "dc") // a name that is nobody else's
	if err != nil {
		t.Skipf("cannot make a name in /run: %v", err)
	}
	name := strings.TrimPrefix(f.Name(), "/run/")
	_, _ = f.Close(), os.Remove(f.Name())
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		t.Skipf("cannot make network namespaces: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("ip", "netns", "del", name).CombinedOutput(); err != nil {
			t.Errorf("namespace %s is left behind: %v\n%s", name, err, out)
		}
	})
	run(t, "ip", "-n", name, "link", "set", "lo", "up")
	return name
}

// ip runs ip(8).
func (n *lan) ip(args ...string) {
	n.t.Helper()
	run(n.t, "ip", args...)
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// startServer runs a dc_server on the server's side.
func (n *lan) startServer() *kit.Process {
	n.t.Helper()
	server, _ := inNamespace(n.t, n.server).Server("-listen", "IP:"+serverIP+":"+cachePort)
	return server
}

// startClient runs a dc_client on the client's side, and waits for the connection.
func (n *lan) startClient(flags ...string) (*kit.Process, kit.Endpoint) {
	n.t.Helper()
	return inNamespace(n.t, n.client).Client(kit.Endpoint{Network: "tcp", Address: serverIP + ":" + cachePort}, flags...)
}

// inNamespace is a rig whose commands run there. ip(8) becomes the command: the process is
// the command's own.
func inNamespace(t *testing.T, namespace string) kit.Rig {
	return kit.NewRig(t).Within(func(c kit.Command) kit.Command {
		ip, _ := exec.LookPath("ip") // newNamespace has found it
		c.Args = append([]string{"netns", "exec", namespace, c.Path}, c.Args...)
		c.Path = ip
		return c
	})
}

// loseRequests makes a black hole of the way to the server: the client's side sends to
// nobody.
func (n *lan) loseRequests() { n.poison(n.client, serverIP) }

// loseAnswers makes one of the way back.
func (n *lan) loseAnswers() { n.poison(n.server, clientIP) }

func (n *lan) poison(namespace, ip string) {
	n.t.Helper()
	n.ip("-n", namespace, "neigh", "replace", ip, "lladdr", stranger, "dev", wire, "nud", "permanent")
}

// heal ends loseRequests and loseAnswers.
func (n *lan) heal() {
	for ns, ip := range map[string]string{n.client: serverIP, n.server: clientIP} {
		_ = exec.Command("ip", "-n", ns, "neigh", "del", ip, "dev", wire).Run() // one of them was not poisoned
	}
}

// within runs fn with a thread in that namespace: what fn listens on is there, also after.
func within(t *testing.T, namespace string, fn func()) {
	t.Helper()
	failed := make(chan error)
	go func() {
		defer close(failed)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		fd, err := unix.Open("/run/netns/"+namespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Setns(fd, unix.CLONE_NEWNET)
			_ = unix.Close(fd)
		}
		if err != nil {
			failed <- err
			return
		}
		fn()
	}()
	if err := <-failed; err != nil {
		t.Fatalf("enter namespace %s: %v", namespace, err)
	}
}
