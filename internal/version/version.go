package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Text is the line that a program prints for -version: its name, what it was built from, the protocol and the Go release.
func Text(program string) string {
	version := "(unknown version)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	return fmt.Sprintf("%s %s, distcache protocol 0x11, %s %s/%s", program, version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
