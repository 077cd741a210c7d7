package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version returns one line. The daemons' version has the same form; their package is not imported for it, because it
// brings the poller along.
func version() string {
	version := "(unknown version)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	return fmt.Sprintf("%s %s, distcache protocol 0x11, %s %s/%s", program, version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
