package main

import (
	"strings"
	"testing"

	"distcache/internal/test/kit"
)

func TestFlagsRefused(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ flag, value, why string }{
		{"-sessions", "63", "64 to 1073741824"},
		{"-sessions", "0", "64 to 1073741824"},
		{"-sessions", "1073741825", "64 to 1073741824"},
		{"-sessions", "18446744073709551616", "64 to 1073741824"},
		{"-sessions", "1e6", "64 to 1073741824"},
		{"-sessions", "+100", "64 to 1073741824"},
		{"-sessions", " 100", "64 to 1073741824"},
		{"-sessions", "", "64 to 1073741824"},
		{"-progress", "-1", "0 to 2147483647"},
		{"-progress", "2147483648", "0 to 2147483647"},
		{"-progress", "often", "0 to 2147483647"},
		{"-minexpiry", "604800001", "0 to 604800000"},
		{"-minexpiry", "1s", "0 to 604800000"},
	} {
		t.Run(row.flag+" "+row.value, func(t *testing.T) {
			t.Parallel()
			for _, args := range [][]string{{row.flag, row.value}, {row.flag + "=" + row.value}, {"-" + row.flag, row.value}} {
				text := refused(t, args...)
				want := program + ": " + row.flag + ": \"" + row.value + "\" is not a whole number"
				if !strings.HasPrefix(text, want) || !strings.Contains(text, row.why) || strings.Count(text, "\n") != 1 {
					t.Errorf("%q: got %q, want one line that begins with %q and names %s", args, text, want, row.why)
				}
			}
		})
	}
}

// TestFlagsOfTheOther: what is dc_client's is unknown here.
func TestFlagsOfTheOther(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"-server", "-connect", "-retry", "-idle", "-timeout", "-maxclients"} {
		if text := refused(t, flag, "1"); !strings.Contains(text, flag+": there is no such flag") {
			t.Errorf("got %q, want it to say that there is no %s", text, flag)
		}
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	process := kit.Start(t, kit.Tool(program), "-sessions", "garbage", "-?")
	if code := process.Exit(patience); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	for _, want := range []string{"-sessions number", "64 to 1073741824, default 100000", "-progress operations",
		"-minexpiry msecs", "default IP:127.0.0.1:9001"} {
		if !strings.Contains(strings.Join(strings.Fields(process.Stdout()), " "), want) {
			t.Errorf("got no %q in the usage text, want it:\n%s", want, process.Stdout())
		}
	}
}
