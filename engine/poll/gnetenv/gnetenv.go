// Package gnetenv takes the variables out of the environment that gnet's logger reads while packages are initialised. A
// bad GNET_LOGGING_LEVEL makes it panic before main, GNET_LOGGING_FILE makes it create a file; neither is any business
// of ours, which never logs through it.
//
// The language sets the order: of the packages whose imports are ready, the one whose path sorts first is initialised
// next. "distcache/…" sorts before "github.com/…", and this package needs nothing that gnet does not need as well, so it
// always comes first. For that reason alone it acts on initialisation, imports only syscall, and must not import more.
// A test starts a program with both variables set to hold all this true. The package that imports gnet imports this one.
package gnetenv

import "syscall"

// What gnet reads.
const (
	levelName = "GNET_LOGGING_LEVEL"
	fileName  = "GNET_LOGGING_FILE"
)

// removed is initialised before gnet, which is the point of it.
var removed = remove(levelName, fileName)

// Removed returns the names of the variables that were set, for a log line that says that they have no effect.
func Removed() []string { return append([]string(nil), removed...) }

func remove(names ...string) []string {
	var found []string
	for _, name := range names {
		if _, ok := syscall.Getenv(name); ok {
			_ = syscall.Unsetenv(name) // fails for a name with "=" only
			found = append(found, name)
		}
	}
	return found
}
