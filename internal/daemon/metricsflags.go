package daemon

import (
	"fmt"
	"log/slog"
	"net/netip"

	"distcache/codec/address"
	"distcache/internal/daemon/logging"
	"distcache/internal/daemon/options"
)

// MetricsFlags are the flags of the HTTP server.
type MetricsFlags struct {
	Address address.Address // the zero Address: there is no server
	Pprof   bool
}

func (f *MetricsFlags) on() bool { return f.Address.Kind != 0 }

func (f *MetricsFlags) declare(s *options.Set) {
	s.Func("metrics", "address", "", "Serve a status page, Prometheus metrics at /metrics, /healthz and /readyz by HTTP at this address: "+
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
	s.Bool(&f.Pprof, "pprof", "Serve /debug/pprof at the address of -metrics, too. Who can reach it can slow the daemon down.")
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
	if f.Address.Kind != address.TCP {
		return ""
	}
	if ip, err := netip.ParseAddr(f.Address.Host); f.Address.Host == "localhost" || err == nil && ip.IsLoopback() {
		return ""
	}
	what := "read the figures"
	if f.Pprof {
		what += " and run profiles"
	}
	return fmt.Sprintf("-metrics %s is reachable from other hosts: they can %s without a password; IP:127.0.0.1:%d or UNIX:/path is not",
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
	s.Func("loglevel", "level", "info", "Least level that is logged: debug, info, warn or error.", func(text string) (err error) {
		f.Level, err = oneOf(logLevels, text, "debug, info, warn, error")
		return err
	})
	s.Func("logformat", "format", "text", "Form of the log: text or json, one object a line.", func(text string) (err error) {
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
