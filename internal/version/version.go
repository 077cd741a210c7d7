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
	version := release
	if info, ok := debug.ReadBuildInfo(); version == "" && ok {
		version = info.Main.Version
	}
	if version == "" {
		version = "(unknown version)"
	}
	return fmt.Sprintf("%s %s, distcache protocol 0x11, %s %s/%s", program, version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
