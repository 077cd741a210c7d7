// Package gnetenv removes the environment variables that gnet's logger reads while packages are initialised. A bad
// GNET_LOGGING_LEVEL makes it panic before main, and GNET_LOGGING_FILE makes it create a file. The daemons never log
// through it.
//
// The language sets the order: of the packages whose imports are ready, the one whose path sorts first is initialised
// next. "distcache/…" sorts before "github.com/…", and gnet needs everything that this package needs, so this package
// always comes first. Only for that reason it acts during initialisation. It imports syscall alone and must not import
// more. A test starts a program with both variables set. The package that imports gnet imports this one.
package gnetenv

import "syscall"

// The variables that gnet reads.
const (
	levelName = "GNET_LOGGING_LEVEL"
	fileName  = "GNET_LOGGING_FILE"
)

// removed must be initialised before gnet.
var removed = remove(levelName, fileName)

// Removed returns the names of the variables that were set. The daemons log that they have no effect.
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
