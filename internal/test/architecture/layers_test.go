package architecture

import (
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// layers are the packages from the top to the bottom: what is in one imports what is below
// it, and nothing above it. Nothing imports what is beside it, but for the top and the tools
// of the engine. Tests may import anything. A directory counts with all that is below it,
// unless it has a layer of its own.
var layers = [][]string{
	{"cmd", "bench", "examples"},
	{"internal/test"},
	{"internal/agent", "internal/server", "internal/credentials"},
	{"internal/daemon"},
	{"internal/daemon/metrics/web"},
	{"internal/front", "internal/store"},
	{"upstream", "client"},
	{"engine", "internal/daemon/metrics"},
	{"engine/poll", "engine/socket", "engine/deadline", "engine/buffer", "engine/histogram", "engine/secure"},
	{"codec", "internal/version"},
}

// layerOf gives the layer of a package, counted from the top, and the directory in layers
// that it belongs to. It is -1 for packages that are not ours.
func layerOf(pkg string) (layer int, directory string) {
	layer = -1
	for n, directories := range layers {
		for _, d := range directories {
			if under(pkg, d) && len(d) > len(directory) {
				layer, directory = n, d
			}
		}
	}
	return layer, directory
}

// runsUp reports whether an import goes up, or sideways where it may not.
func runsUp(f file, imported string) bool {
	pkg, ours := strings.CutPrefix(imported, module)
	if f.test || !ours {
		return false
	}
	from, here := layerOf(path.Dir(f.path))
	to, there := layerOf(pkg)
	tools, _ := layerOf("engine/poll")
	beside := to == from && here != there && from != 0 && from != tools
	return from >= 0 && to >= 0 && (to < from || beside)
}

// TestLayersCatch breaks the rule of layers, and shows what does not.
func TestLayersCatch(t *testing.T) {
	for _, row := range []struct {
		path, imported string
		want           bool
	}{
		{"engine/x.go", "distcache/upstream", true},
		{"engine/x.go", "distcache/internal/daemon/logging", true},
		{"engine/poll/x.go", "distcache/engine", true},
		{"engine/poll/x.go", "distcache/engine/socket", false},
		{"engine/x.go", "distcache/engine/poll", false},
		{"codec/address/x.go", "distcache/engine/buffer", true},
		{"codec/address/x.go", "distcache/codec", false},
		{"upstream/conn/x.go", "distcache/internal/front", true},
		{"upstream/conn/x.go", "distcache/upstream", false},
		{"internal/front/x.go", "distcache/internal/store", true},
		{"internal/front/x.go", "distcache/internal/daemon", true},
		{"internal/agent/x.go", "distcache/internal/server", true},
		{"internal/agent/x.go", "distcache/internal/front", false},
		{"internal/server/x.go", "distcache/internal/test/kit", true},
		{"internal/server/x_test.go", "distcache/internal/test/kit", false},
		{"internal/test/kit/x.go", "distcache/bench/procfs", true},
		{"cmd/dc_test/x.go", "distcache/bench/load", false},
		{"cmd/dc_client/x.go", "distcache/internal/agent", false},
		{"codec/x.go", "strings", false},
	} {
		f := file{path: row.path, test: strings.HasSuffix(row.path, "_test.go")}
		if got := runsUp(f, row.imported); got != row.want {
			t.Errorf("%s imports %s: got that it runs up: %v, want %v", row.path, row.imported, got, row.want)
		}
	}
}

// TestEveryPackageHasALayer: the rule of layers holds for all that is ours.
func TestEveryPackageHasALayer(t *testing.T) {
	for _, f := range readModule(t) {
		if layer, _ := layerOf(path.Dir(f.path)); layer < 0 {
			t.Errorf("%s is in no layer: add its directory to layers", f.path)
		}
	}
}

// pure are the packages that link no poller: they run in simulations, and client programs
// link codec.
var pure = []string{"codec", "codec/address", "codec/memcached", "codec/sessiond", "internal/front", "internal/front/memcached", "internal/agent",
	"internal/server", "internal/store/seal", "upstream"}

// polls reports whether a package is a poller or has one.
func polls(pkg string) bool {
	return under(pkg, gnet) || under(pkg, module+"engine/poll") || pkg == module+"engine"
}

// TestPurePackagesLinkNoPoller looks at all that the packages link, and not only at what
// they import themselves.
func TestPurePackagesLinkNoPoller(t *testing.T) {
	linked := linkedBy(t, append(slices.Clone(pure), "engine"))
	for _, pkg := range pure {
		for _, dependency := range linked[pkg] {
			if polls(dependency) {
				t.Errorf("%s links %s, want it without a poller: see go list -deps ./%s", pkg, dependency, pkg)
			}
		}
	}
	if !slices.ContainsFunc(linked["engine"], polls) {
		t.Error("engine links no poller: this test looks for the wrong packages")
	}
}

// linkedBy gives what packages of ours link.
func linkedBy(t *testing.T, packages []string) map[string][]string {
	t.Helper()
	args := []string{"list", "-f", `{{.ImportPath}} {{join .Deps " "}}`}
	for _, pkg := range packages {
		args = append(args, module+pkg)
	}
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		t.Fatalf("go %q: %v", args, err)
	}
	linked := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		linked[strings.TrimPrefix(fields[0], module)] = fields[1:]
	}
	return linked
}
