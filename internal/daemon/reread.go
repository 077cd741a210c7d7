package daemon

import (
	"log/slog"
	"slices"
	"strings"

	"distcache/engine/socket"
	"distcache/internal/daemon/options"
)

// Reread is the command line with the file of -config, read anew and valid.
type Reread struct {
	Set   *options.Set
	Flags Flags
	// Reload is called in place of Config.Reload; nil: there is nothing. It puts the new values of the flags Live in
	// force, without hyphens, and reports whether it could.
	Reload func() bool
	Live   []string
}

// allowFlags can change while the daemon runs, and so can -loglevel and those of Reread.Live.
var allowFlags = []string{"allowuser", "allowgroup"}

// reread reads the file of -config at a SIGHUP. It puts in force what can change while the daemon runs, and names what
// cannot. After a mistake in the file all values stay. It runs on the goroutine of the signals.
func (d *running) reread() {
	next, err := d.config.Reread()
	var access *socket.Access
	var warnings []string
	if err == nil {
		access, warnings, err = d.nextAccess(next)
	}
	if err != nil {
		slog.Error("SIGHUP: the old settings stay in force", "reason", err)
		if d.config.Reload != nil {
			d.config.Reload() // the files that they name may be new all the same
		}
		return
	}
	for _, w := range warnings {
		slog.Warn(w)
	}
	changed := next.Set.Changed(d.config.Settings)
	if next.Reload != nil && !next.Reload() { // which has said why
		changed = without(changed, next.Live)
	}
	live, restart := d.split(changed, next.Live)
	texts := next.Set.Texts()
	for _, name := range live {
		d.config.Settings[name] = texts[name]
	}
	if slices.ContainsFunc(live, func(name string) bool { return slices.Contains(allowFlags, name) }) {
		d.admit(access)
	}
	d.level.Set(min(d.level.Level(), next.Flags.Log.Level)) // the lines that follow are for either
	slog.Info("SIGHUP: read "+next.Flags.Config+" again", attribute("changed", live))
	if len(restart) > 0 {
		slog.Warn("SIGHUP: changed flags need a restart", attribute("flags", restart))
	}
	d.level.Set(next.Flags.Log.Level)
}

// nextAccess looks up who may connect. Where the sockets are to be others, the lists wait for these: one that is meant
// for them could open those that there are.
func (d *running) nextAccess(next *Reread) (access *socket.Access, warnings []string, err error) {
	if d.listensElsewhere(next.Set.Changed(d.config.Settings)) {
		_, err = next.Flags.Allow.Resolve()
		return nil, nil, err
	}
	return d.plan.resolveAccess(next.Flags.Allow)
}

func (d *running) listensElsewhere(changed []string) bool { return slices.Contains(changed, "listen") }

// split tells the changed flags that can be put in force from those that need a restart.
func (d *running) split(changed, alsoLive []string) (live, restart []string) {
	can := append([]string{"loglevel"}, alsoLive...)
	if !d.listensElsewhere(changed) {
		can = append(can, allowFlags...)
	}
	return without(changed, without(changed, can)), without(changed, can)
}

// admit has all listeners ask for access from now on. Clients that are connected stay.
func (d *running) admit(access *socket.Access) {
	d.access.Store(access)
	for _, r := range d.reactors {
		_ = r.loop.Post(func() { // an error means that the loop has ended already
			for _, a := range r.acceptors {
				a.listener.Access = access.Clone()
			}
		})
	}
}

// without gives the names that are not among others.
func without(names, others []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(others, name) })
}

// attribute lists flags in a line of the log; none shows nothing.
func attribute(key string, names []string) slog.Attr {
	if len(names) == 0 {
		return slog.Attr{}
	}
	return slog.String(key, "-"+strings.Join(names, ", -"))
}
