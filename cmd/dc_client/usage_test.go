package main

import (
	"strings"
	"testing"

	"distcache/internal/test/kit"
)

func TestK01WrongSwitches(t *testing.T) {
	refuses := kit.Refuses(t, program, run)
	refuses(`-bogus: there is no such flag, see dc_client -help`, "-bogus")
	refuses(`-server: needs an argument: -server address`, "-server")
	refuses(`-server: is required: the address of dc_server, such as IP:cache.example.net:9001`)
	refuses(`-retry: is given twice (the second value is "6")`, "-retry", "5", "-retry", "6")
	refuses(`-pidfile: needs an argument, and "-daemon" is a flag (if it is meant, write -pidfile=-daemon)`, "-pidfile", "-daemon")
	refuses(`unexpected argument "stray", see dc_client -help`, "stray")
	refuses(`-check: is given twice`, "-check", "-check")
}

// TestK02NumbersArePlainDecimalsInRange: options.TestBadNumbers has every spelling.
func TestK02NumbersArePlainDecimalsInRange(t *testing.T) {
	refuses := kit.Refuses(t, program, run)
	for _, flag := range []struct{ name, limits, below, above string }{
		{"-timeout", "of milliseconds from 0 to 3600000", "-1", "3600001"},
		{"-minexpiry", "of milliseconds from 0 to 604800000", "-1", "604800001"},
		{"-maxclients", "from 1 to 1048576", "0", "1048577"},
	} {
		for _, value := range []string{"5x", flag.below, flag.above} {
			refuses(flag.name+`: "`+value+`" is not a whole number `+flag.limits, flag.name+"="+value)
		}
	}
}

func TestK03AddressesSayWhatIsWrong(t *testing.T) {
	refuses := kit.Refuses(t, program, run)
	for _, r := range []struct{ address, reason string }{
		{"", "it is empty"},
		{"IP:", "there is no port"},
		{"IP:9001", "the host is missing: a port alone is for listening only"},
		{"IP:host:0", "port 0 (any free port) is for listening only"},
		{"IP:host:65536", "the port is not a decimal number from 0 to 65535"},
		{"IPv6", "a colon and the rest of the address must follow the scheme"},
		{"IPv4:[::1]:1", "the host's IP version is not that of the scheme"},
		{"IP:::1:9001", "write an IPv6 address, and only that, in brackets, as in IP:[::1]:9001"},
		{"IP:127.0.0.300:1", "the host is neither a host name nor an address"},
		{"UNIX:", "the path is missing"},
		{"UNIX:/a/", "the path ends in a slash, so it names a directory"},
		{"UNIX:/" + strings.Repeat("x", 107), "the path is too long for a unix socket: it has 108 bytes, and at most 107 fit"},
		{"FD:3", "it is for listening only"},
		{"systemd", "it is for listening only"},
		{"http:host:1", "unknown scheme: want UNIX:, IP:, IPv4:, IPv6: or TLS:"},
		{"unix:/x", "unknown scheme: want UNIX:, IP:, IPv4:, IPv6: or TLS:; did you mean UNIX:"},
	} {
		refuses(`-server: bad address "`+r.address+`": `+r.reason, "-server", r.address)
	}
	refuses(`-server: UNIX:rel is a relative path, but -daemon changes the working directory to /: give an absolute path`,
		"-server", "UNIX:rel", "-daemon")
}

func TestK04RetryAndIdleAreBounded(t *testing.T) {
	refuses := kit.Refuses(t, program, run)
	refuses(`-retry: "0" is not a whole number of milliseconds from 1 to 3600000`, "-retry", "0")
	refuses(`-retry: "3600001" is not a whole number of milliseconds from 1 to 3600000`, "-retry", "3600001")
	refuses(`-idle: "3600001" is not a whole number of milliseconds from 0 to 3600000`, "-idle", "3600001")
}

func TestK07ServerIsOneself(t *testing.T) {
	refuses := kit.Refuses(t, program, run)
	for _, row := range []struct{ listen, server string }{
		{"UNIX:/a", "UNIX:/a"},
		{"UNIX:/a", "UNIX:/b/..//a"},
		{"IP:host:9001", "IP:host:9001"},
		{"IP:9001", "IP:127.0.0.1:9001"},
		{"IP:9001", "IP:localhost:9001"},
		{"IPv6:9001", "IP:[::1]:9001"},
	} {
		refuses("-server: "+row.server+" is also the address of -listen: dc_client would connect to itself", "-listen", row.listen, "-server", row.server)
	}
	refuses("-server: UNIX:/tmp/scache is also the address of -listen: dc_client would connect to itself", "-server", "UNIX:/tmp/scache")
}
