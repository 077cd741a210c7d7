package kit

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Rig starts the daemons of a test, from the commands that its Suite has built. Each is
// awaited until it is ready, and ends with the test:
//
//	r := kit.NewRig(t)
//	_, server := r.Server("-sessions", "1000")
//	process, at := r.Client(server, "-retry", "50")
//	kit.Dial(t, at).ExpectStatus(kit.Have(1, "id"), codec.StatusNotOK)
//
// A daemon whose flags have no -listen listens on a unix socket of its own.
type Rig struct {
	t    testing.TB
	wrap func(Command) Command // nil: commands run as they are
}

// NewRig gives the rig of a test.
func NewRig(t testing.TB) Rig { return Rig{t: t} }

// Within is the rig whose commands run as wrap changes them: in a namespace, under strace
// or with other limits.
func (r Rig) Within(wrap func(Command) Command) Rig {
	r.wrap = wrap
	return r
}

// Wrap is what Within changes a command into.
func (r Rig) Wrap(c Command) Command {
	if r.wrap == nil {
		return c
	}
	return r.wrap(c)
}

// Server starts a dc_server.
func (r Rig) Server(flags ...string) (*Process, Endpoint) {
	r.t.Helper()
	return r.listening("dc_server", flags)
}

// Client starts a dc_client, and waits until it is connected to the dc_server, which is server unless the
// flags have a -server: over TLS. Requests have more time than a busy machine takes, unless the flags have a
// -timeout.
func (r Rig) Client(server Endpoint, flags ...string) (*Process, Endpoint) {
	r.t.Helper()
	p, at := r.Unlinked(server, flags...)
	p.WaitStderr(Patience, "connected to dc_server")
	return p, at
}

// Unlinked is Client, and does not wait for the connection.
func (r Rig) Unlinked(server Endpoint, flags ...string) (*Process, Endpoint) {
	r.t.Helper()
	if !has(flags, "-server") {
		flags = append([]string{"-server", server.String()}, flags...)
	}
	if !has(flags, "-timeout") {
		flags = append(flags, "-timeout", "10000")
	}
	return r.listening("dc_client", flags)
}

// Start starts a daemon with these flags alone, and waits until it is ready.
func (r Rig) Start(name string, flags ...string) *Process {
	r.t.Helper()
	p := r.Run(name, flags...)
	p.WaitStderr(Patience, " ready ")
	return p
}

// Run starts any of the commands, and waits for nothing.
func (r Rig) Run(name string, args ...string) *Process {
	r.t.Helper()
	return r.Command(name, args...).Start(r.t)
}

// Command is what Run starts.
func (r Rig) Command(name string, args ...string) Command {
	r.t.Helper()
	return r.Wrap(Command{Path: Tool(name), Args: args})
}

// listening starts a daemon, and gives where its ready line says that it listens.
func (r Rig) listening(name string, flags []string) (*Process, Endpoint) {
	r.t.Helper()
	if !has(flags, "-listen") {
		flags = append([]string{"-listen", Unix(r.t).String()}, flags...)
	}
	p := r.Start(name, flags...)
	return p, p.Listens()
}

// has reports whether the flags have that one, in either form: -retry 50 or -retry=50.
func has(flags []string, name string) bool {
	return slices.ContainsFunc(flags, func(arg string) bool {
		return arg == name || strings.HasPrefix(arg, name+"=")
	})
}

// readyLine is what all daemons log once they serve; dc_snoop writes its own.
var readyLine = regexp.MustCompile(` ready (?:listen=|on )(UNIX|IP|IPv4|IPv6|TLS):(\S+)`)

// Listens is where the process says that it listens, once it is ready: with the port that
// it was given.
func (p *Process) Listens() Endpoint {
	p.t.Helper()
	found := readyLine.FindStringSubmatch(p.Stderr())
	if found == nil {
		p.t.Fatalf("got stderr %q, want a line that tells where it listens", p.Stderr())
	}
	if found[1] == "UNIX" {
		return Endpoint{"unix", found[2]}
	}
	return Endpoint{"tcp", found[2]}
}
