package client

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"distcache/codec/address"
)

// addresses of every form, good and bad.
func addresses() []string {
	return []string{
		"UNIX:/tmp/scache", "UNIX:run/dc", "UNIX:/tmp/a:b", "UNIX:./@name", "UNIX:/" + strings.Repeat("p", 106),
		"IP:cache:9001", "IP:cache.local-net:9001", "IP:cache.:1", "IP:127.0.0.1:1", "IP:[::1]:65535", "IP:[0:0::1]:9001",
		"IP:[fe80::1%eth0]:9001", "IP:host:009001", "IPv4:cache:9001", "IPv4:10.0.0.1:1", "IPv6:cache:9001", "IPv6:[::1]:1",

		"", "UNIX", "UNIX:", "UNIX:@name", "UNIX:/tmp/", "UNIX:/tmp/a\x00b", "UNIX:/tmp/a\nb", "UNIX:/" + strings.Repeat("p", 107),
		"unix:/tmp/scache", "ip:host:1", "host:1", ":1", "/tmp/scache", " IP:host:1", "FD:3", "systemd", "SSL:host:1", "TLS:", "TLS:host:1", "TLS:127.0.0.1:9001",
		"IP:", "IP:9001", "IP::9001", "IP:host", "IP:host:", "IP:host:0", "IP:host:65536", "IP:host:18446744073709551616",
		"IP:host:+1", "IP:host:-1", "IP:host: 1", "IP:host:0x10", "IP:host:9_001", "IP:host:٣", "IP:::1:9001", "IP:a:b:9001",
		"IP:[::1:9001", "IP:[]:9001", "IP:[127.0.0.1]:9001", "IP:[localhost]:9001", "IP:[fe80::1%a]b]:9001", "IP:my host:9001",
		"IP:*:9001", "IP:a..b:9001", "IP:.:9001", "IP:" + strings.Repeat("a", 64) + ":9001", "IP:" + strings.Repeat("a.", 127) + "a:9001",
		"IP:127.0.0.300:9001", "IP:127.1:9001", "IPv4:[::1]:9001", "IPv6:127.0.0.1:9001", "IPv6:9001",
	}
}

// TestOpenTakesAddressesOfTheTools: Open takes the addresses that dc_client takes for -server, and no others.
func TestOpenTakesAddressesOfTheTools(t *testing.T) {
	good := 0
	for _, text := range addresses() {
		_, err := Open(text, Options{})
		if err == nil {
			good++
		} else if !errors.Is(err, ErrAddress) || !strings.HasPrefix(err.Error(), "bad address \"") || strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("%q: got error %q, want ErrAddress, in one line that starts with the address", text, err)
		}
		if _, theirs := address.ParseConnect(text); (err == nil) != (theirs == nil) {
			t.Errorf("%q: got error %v, want as the tools have: %v", text, err, theirs)
		}
	}
	if good != 17 {
		t.Errorf("got %d of them accepted, want 17", good)
	}
}

// TestImports: an application gets the standard library, codec and codec/address with package client, and nothing else.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "distcache/client").Output()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"distcache/client", "distcache/codec", "distcache/codec/address"}
	if got := strings.Fields(string(out)); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestDocumentCompiles: the program in docs/GO_CLIENT.md builds in a module of its own that replaces distcache by this one.
func TestDocumentCompiles(t *testing.T) {
	document, err := os.ReadFile("../docs/GO_CLIENT.md")
	if err != nil {
		t.Fatal(err)
	}
	var program strings.Builder
	for line := range strings.Lines(string(document)) {
		line, indented := strings.CutPrefix(line, "    ")
		switch {
		case strings.HasPrefix(line, "package main"), program.Len() > 0 && (indented || line == "\n"):
			program.WriteString(line)
		case program.Len() > 0 && line != "\n":
			// The text below the program begins.
			buildOutside(t, program.String())
			return
		}
	}
	t.Error("docs/GO_CLIENT.md has no program")
}

func buildOutside(t *testing.T, program string) {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	module := "module example.net/app\n\ngo 1.26.0\n\nrequire distcache v0.0.0\n\nreplace distcache => " + root + "\n"
	for name, text := range map[string]string{"go.mod": module, "main.go": program} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	vet := exec.Command("go", "vet", ".") // compiles as go build does, without linking
	vet.Dir, vet.Env = dir, append(os.Environ(), "GOPROXY=off", "GOWORK=off", "GOFLAGS=")
	if out, err := vet.CombinedOutput(); err != nil {
		t.Errorf("go vet: %v\n%s", err, out)
	}
}

func TestOpenRefuses(t *testing.T) {
	tests := []struct {
		name, address string
		opt           Options
		want          error
	}{
		{"address", "IP:9001", Options{}, ErrAddress},
		{"address with TLS", "TLS:cache:9001", Options{}, ErrAddress},
		{"timeout", "UNIX:/tmp/scache", Options{Timeout: -1}, ErrOptions},
		{"idle connections", "UNIX:/tmp/scache", Options{MaxIdle: -1}, ErrOptions},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Open(test.address, test.opt)
			wantErr(t, "Open", err, test.want)
			_, err = Dial(t.Context(), test.address, test.opt)
			wantErr(t, "Dial", err, test.want)
		})
	}
}
