package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"distcache/internal/test/kit"
)

// runToEnd runs dc_snoop with flags that do not let it serve, and waits for all of its output.
func runToEnd(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, builtBinary(), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exited *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exited) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

func TestWrongCommandLines(t *testing.T) {
	t.Parallel()
	both := []string{"-listen", "UNIX:/nowhere/a", "-server", "UNIX:/nowhere/b"}
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"nothing", nil, "-listen: is required"},
		{"no server", both[:2], "-server: is required"},
		{"no listen", both[2:], "-listen: is required"},
		{"bad listen", []string{"-listen", "nonsense"}, `-listen: bad address "nonsense"`},
		{"bad server", []string{"-server", "IP:9001"}, `-server: bad address "IP:9001"`},
		{"to itself", []string{"-listen", "UNIX:/tmp/a", "-server", "UNIX:/tmp/a"}, "-server: UNIX:/tmp/a is the address of -listen too"},
		{"server twice", append([]string{"-connect", "UNIX:/tmp/c"}, both...), "-server"},
		{"bad filter", append([]string{"-filter", "put"}, both...), `-filter: "put" is none of add, get, remove and have`},
		{"bad filter in a list", append([]string{"-filter", "add,"}, both...), `-filter: "" is none of`},
		{"empty pcap", append([]string{"-pcap", ""}, both...), "-pcap"},
		{"unknown flag", append([]string{"-x"}, both...), "-x"},
		{"an argument", append([]string{"x"}, both...), `"x"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			code, _, got := runToEnd(t, test.args...)
			if code != 2 {
				t.Errorf("got exit code %d, want 2", code)
			}
			if !strings.HasPrefix(got, program+": ") || strings.Count(got, "\n") != 1 || !strings.Contains(got, test.want) {
				t.Errorf("got stderr %q, want one line with %q", got, test.want)
			}
		})
	}
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	for flag, want := range map[string]string{
		"-h": "Usage: dc_snoop -listen address -server address", "-help": "-filter op", "-?": "-pcap file", "-version": program + " ",
	} {
		t.Run(flag, func(t *testing.T) {
			t.Parallel()
			args := []string{flag, "-listen", "UNIX:/nowhere/a", "-server", "UNIX:/nowhere/b"}
			if flag != "-version" {
				args = append(args, "-nonsense")
			}
			code, stdout, stderr := runToEnd(t, args...)
			if code != 0 || !strings.Contains(stdout, want) || stderr != "" {
				t.Errorf("got exit code %d, stdout %q, stderr %q, want 0 and %q on stdout", code, stdout, stderr, want)
			}
		})
	}
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	dir := kit.SocketDir(t)
	occupied := filepath.Join(dir, "file")
	if err := os.WriteFile(occupied, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	free := "UNIX:" + filepath.Join(dir, "free")
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"file in the way", []string{"-listen", "UNIX:" + occupied, "-server", free}, "-listen: UNIX:" + occupied},
		{"no such directory", []string{"-listen", "UNIX:/nowhere/at/all", "-server", free}, "-listen: UNIX:/nowhere/at/all"},
		{"pcap", []string{"-listen", free, "-server", "UNIX:/nowhere", "-pcap", "/nowhere/at/all"}, "-pcap: open /nowhere/at/all"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			code, _, stderr := runToEnd(t, test.args...)
			if code != 1 || !strings.Contains(stderr, test.want) {
				t.Errorf("got exit code %d, stderr %q, want 1 and %q", code, stderr, test.want)
			}
		})
	}
	if b, err := os.ReadFile(occupied); string(b) != "precious" {
		t.Errorf("got %q, %v, want the file as it was", b, err)
	}
}

// TestConnectIsServer: the flag has two names.
func TestConnectIsServer(t *testing.T) {
	t.Parallel()
	up, at := kit.NewUpstream(t, kit.Loopback()), kit.Unix(t)
	p := kit.Start(t, builtBinary(), "--listen="+at.String(), "--connect="+up.Endpoint().String())
	p.WaitListening(patience, at)
	kit.Dial(t, at).ExpectStatus(kit.Have(1, "id"), 1)
	stop(t, p)
}
