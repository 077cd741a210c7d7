package daemon

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Version is the text of -version: what was built, from which revision, with which Go.
func Version(program string) string {
	version := "(unknown version)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	return fmt.Sprintf("%s %s, distcache protocol 0x11, %s %s/%s",
		program, version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
