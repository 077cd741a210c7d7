package daemon

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"distcache/codec/address"
	"distcache/internal/daemon/listen"
	"distcache/internal/daemon/logging"
	"distcache/internal/daemon/options"
)

// Flags are the flags that both daemons have.
type Flags struct {
	Daemon   bool
	User     string
	Listen   []address.Address // at least one
	Socket   listen.Options
	Allow    listen.Allow
	Pidfile  string
	Killable bool
	Dumpable bool
	Check    bool // tell whether a start would succeed, and end
	Config   string
	Metrics  MetricsFlags
	Log      LogFlags
	Secure   bool // -listen takes TLS addresses; to be set before Declare
}

// Declare adds the flags to s. listenOn is the default of -listen.
func (f *Flags) Declare(s *options.Set, listenOn string) {
	secure := ""
	if f.Secure {
		secure = "TLS:port, TLS:host:port, "
	}
	s.List("listen", "address", listenOn, "Address to listen on: UNIX:/path, IP:port (IPv4), IPv6:port, IP:host:port, "+secure+
		"FD:n, systemd or systemd:name; may be given several times.",
		func(texts []string) error { return f.listenOn(texts) })
	f.Socket.Declare(s)
	f.Allow.Declare(s)
	s.Bool(&f.Daemon, "daemon", "Run in the background, logging to syslog; the command returns once clients can connect.")
	s.String(&f.User, "user", "user", "", "Run as this user after opening the socket.")
	s.String(&f.Pidfile, "pidfile", "path", "", "Write the process ID to this file.")
	s.Bool(&f.Killable, "killable", "Stop cleanly on SIGUSR1 and SIGUSR2. Without it SIGUSR1 logs a line of figures, and SIGUSR2 is ignored.")
	s.Bool(&f.Dumpable, "dumpable", "For debugging: allow core dumps, and debuggers of the same user. Both can expose sessions.")
	s.Bool(&f.Check, "check", "Check whether a start would succeed. If so, print the settings and exit with 0, else with 2. "+
		"Nothing is bound, written or removed.")
	s.LineOnly("check")
	s.Config(&f.Config, "Also read flags from this file, one a line: name without the leading hyphen, space, value. "+
		"The command line wins.")
	f.Metrics.declare(s)
	f.Log.declare(s)
}

// maxListen is how many -listen a daemon takes. More is a mistake on the command line.
const maxListen = 16

// listenOn reads the addresses of all -listen so far.
func (f *Flags) listenOn(texts []string) error {
	if len(texts) > maxListen {
		return fmt.Errorf("at most %d addresses may be given", maxListen)
	}
	f.Listen = nil
	parse := address.ParseListen
	if f.Secure {
		parse = address.ParseSecureListen
	}
	for _, text := range texts {
		a, err := parse(text)
		if err != nil {
			return err
		}
		switch {
		case a.Kind == address.Systemd && slices.ContainsFunc(f.Listen, a.Same):
			return fmt.Errorf("%q: another -listen has the same sockets", text)
		case slices.ContainsFunc(f.Listen, a.Same):
			return fmt.Errorf("%q is given twice", text)
		}
		f.Listen = append(f.Listen, a)
	}
	return nil
}

// ListensSecurely reports whether one of the addresses is a TLS address.
func (f *Flags) ListensSecurely() bool {
	return slices.ContainsFunc(f.Listen, func(a address.Address) bool { return a.Kind == address.TLS })
}

// passed lists the inherited descriptors that the daemon needs.
func (f *Flags) passed() []int {
	var fds []int
	for _, a := range f.Listen {
		switch a.Kind {
		case address.Descriptor:
			fds = append(fds, a.FD)
		case address.Systemd:
			fds = append(fds, listen.Passed(a)...)
		}
	}
	return fds
}

// has reports whether an address of that kind was given.
func (f *Flags) has(kind address.Kind) bool {
	return slices.ContainsFunc(f.Listen, func(a address.Address) bool { return a.Kind == kind })
}

// Validate checks the flags against each other. Its error is a *options.UsageError.
func (f *Flags) Validate() error {
	for _, a := range f.Listen {
		if err := f.ValidatePath("listen", a); err != nil {
			return err
		}
	}
	if f.Daemon && f.Config != "" && !filepath.IsAbs(f.Config) { // SIGHUP reads it again
		return options.RelativePath("config", f.Config)
	}
	if err := f.validateMetrics(); err != nil {
		return err
	}
	if f.has(address.Systemd) && f.has(address.Descriptor) {
		return &options.UsageError{Flag: "listen", Reason: "systemd and FD:n both name sockets that were passed in: " +
			"give one of them, not both"}
	}
	mayBeUnix := func(a address.Address) bool { return a.Kind != address.TCP && a.Kind != address.TLS }
	if flags := f.Allow.Flags(); flags != "" && !slices.ContainsFunc(f.Listen, mayBeUnix) {
		return &options.UsageError{Flag: strings.TrimPrefix(flags, "-"), Reason: listen.ErrNoUnix.Error()}
	}
	return nil
}

// socketOptions returns the options for one of the addresses. Those of a socket file do
// nothing for an address without one, which is worth a warning where no address has one.
func (f *Flags) socketOptions(a address.Address) listen.Options {
	if a.Kind != address.Unix && f.has(address.Unix) {
		return listen.Options{}
	}
	return f.Socket
}

// configWarning tells that other users can change the flags, or is "".
func (f *Flags) configWarning() string {
	info, err := os.Stat(f.Config) // of "", too, there is no such file
	if err != nil || info.Mode().Perm()&0o002 == 0 {
		return ""
	}
	return fmt.Sprintf("-config %s: every user can change it (its mode is %03o): chmod o-w", f.Config, info.Mode().Perm())
}

// ValidatePath refuses a relative path of the flag with -daemon, which changes the working
// directory to /. Its error is a *options.UsageError.
func (f *Flags) ValidatePath(flag string, a address.Address) error {
	if !f.Daemon || !a.IsRelative() {
		return nil
	}
	return options.RelativePath(flag, a.String())
}

// MetricsFlags are the flags of the HTTP server.
type MetricsFlags struct {
	Address address.Address // the zero Address: there is no server
	Pprof   bool
}

func (f *MetricsFlags) on() bool { return f.Address.Kind != 0 }

func (f *MetricsFlags) declare(s *options.Set) {
	s.Func("metrics", "address", "", "Address of an HTTP server for a status page, /metrics (Prometheus), /healthz and /readyz: "+
		"IP:127.0.0.1:port or UNIX:/path.", func(text string) error {
		a, err := address.ParseListen(text)
		if err != nil {
			return err
		}
		if a.Kind != address.Unix && a.Kind != address.TCP {
			return fmt.Errorf("%q is neither IP:host:port nor UNIX:/path", text)
		}
		f.Address = a
		return nil
	})
	s.Bool(&f.Pprof, "pprof", "Also serve Go profiles at /debug/pprof of -metrics. Anyone who can connect can slow the daemon down.")
}

// validateMetrics checks -metrics against the other flags. Its error is a *options.UsageError.
func (f *Flags) validateMetrics() error {
	m := f.Metrics
	if !m.on() {
		if m.Pprof {
			return &options.UsageError{Flag: "pprof", Reason: "needs -metrics: that is where it is served"}
		}
		return nil
	}
	for _, a := range f.Listen {
		if a.Same(m.Address) && a.Port != 0 || a.Kind == address.Unix && a.Same(m.Address) {
			return &options.UsageError{Flag: "metrics", Value: m.Address.String(),
				Reason: m.Address.String() + " is also the address of -listen"}
		}
	}
	return f.ValidatePath("metrics", m.Address)
}

// warning tells that others than this machine can read the figures, or is "".
func (f *MetricsFlags) warning() string {
	if f.Address.Kind != address.TCP || f.Address.IsLoopback() {
		return ""
	}
	what := "read the figures"
	if f.Pprof {
		what += " and run profiles"
	}
	return fmt.Sprintf("-metrics %s is reachable from other hosts: they can %s without a password; use IP:127.0.0.1:%d or UNIX:/path",
		f.Address, what, f.Address.Port)
}

// LogFlags are the flags of the log.
type LogFlags struct {
	Format logging.Format
	Level  slog.Level
}

// The names of levels and formats on the command line.
var (
	logLevels  = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	logFormats = map[string]logging.Format{"text": logging.Text, "json": logging.JSON}
)

func (f *LogFlags) declare(s *options.Set) {
	s.Func("loglevel", "level", "info", "Lowest level that is logged: debug, info, warn or error.", func(text string) (err error) {
		f.Level, err = oneOf(logLevels, text, "debug, info, warn, error")
		return err
	})
	s.Func("logformat", "format", "text", "Log format: text, or json with one object a line.", func(text string) (err error) {
		f.Format, err = oneOf(logFormats, text, "text, json")
		return err
	})
}

func oneOf[T any](all map[string]T, text, names string) (T, error) {
	v, ok := all[text]
	if !ok {
		return v, fmt.Errorf("%q is none of %s", text, names)
	}
	return v, nil
}
