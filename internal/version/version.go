package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// release is the version of a packaged build, "" in others. Only the linker sets it (contrib/debian/rules).
var release string

// Text is the line that a program prints for -version: its name, what it was built from, the protocol and the Go release.
func Text(program string) string {
	return fmt.Sprintf("%s %s, distcache protocol 0x11, %s %s/%s", program, Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// Version is what this program was built from.
func Version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown version)"
}
