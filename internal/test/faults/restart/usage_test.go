package restart

import (
	"strings"
	"testing"

	"distcache/internal/test/kit"
)

// usageRow is a wrong command line and the one line that it gets, after the program's name.
type usageRow struct {
	program string
	args    []string
	message string
}

// mustRefuse holds that each is refused with exit code 2 and that line, and nothing else.
func mustRefuse(t *testing.T, rows []usageRow) {
	t.Parallel()
	for _, row := range rows {
		t.Run(row.program+" "+strings.Join(row.args, " "), func(t *testing.T) {
			t.Parallel()
			p := kit.Start(t, kit.Tool(row.program), row.args...)
			if code := p.Exit(patience); code != 2 {
				t.Errorf("got exit code %d, want 2", code)
			}
			if want := row.program + ": " + row.message + "\n"; p.Stderr() != want || p.Stdout() != "" {
				t.Errorf("got %q and %q on stdout, want %q and nothing", p.Stderr(), p.Stdout(), want)
			}
		})
	}
}

func client(message string, args ...string) usageRow { return usageRow{"dc_client", args, message} }

func server(message string, args ...string) usageRow { return usageRow{"dc_server", args, message} }

func TestK01WrongSwitches(t *testing.T) {
	mustRefuse(t, []usageRow{
		client(`-bogus: there is no such flag, see dc_client -help`, "-bogus"),
		client(`-server: needs an argument: -server address`, "-server"),
		client(`-server: is required: the address of dc_server, such as IP:cache.example.net:9001`),
		client(`-retry: is given twice (the second value is "6")`, "-retry", "5", "-retry", "6"),
		client(`-pidfile: needs an argument, and "-daemon" is a flag (if it is meant, write -pidfile=-daemon)`, "-pidfile", "-daemon"),
		client(`unexpected argument "stray", see dc_client -help`, "stray"),
		client(`-check: is given twice`, "-check", "-check"),
		server(`-server: there is no such flag, see dc_server -help`, "-server", "UNIX:/x"),
		server(`-sessions: needs an argument: -sessions number`, "-sessions"),
		server(`-daemon: "1" is neither true nor false`, "-daemon=1"),
	})
}

func TestK02NumbersArePlainDecimalsInRange(t *testing.T) {
	var rows []usageRow
	for _, flag := range []struct {
		program, name, limits string
		below, above          string
	}{
		{"dc_client", "-timeout", "of milliseconds from 0 to 3600000", "-1", "3600001"},
		{"dc_client", "-minexpiry", "of milliseconds from 0 to 604800000", "-1", "604800001"},
		{"dc_client", "-maxclients", "from 1 to 1048576", "0", "1048577"},
		{"dc_server", "-sessions", "from 64 to 1073741824", "63", "1073741825"},
		{"dc_server", "-progress", "from 0 to 2147483647", "-1", "2147483648"},
	} {
		for _, value := range []string{"5x", flag.below, flag.above} { // options.TestBadNumbers has every spelling
			message := flag.name + `: "` + value + `" is not a whole number ` + flag.limits
			rows = append(rows, usageRow{flag.program, []string{flag.name + "=" + value}, message})
		}
	}
	mustRefuse(t, rows)
}

func TestK03AddressesSayWhatIsWrong(t *testing.T) {
	var rows []usageRow
	for _, r := range []struct{ address, reason string }{
		{"", "it is empty"},
		{"IP:", "there is no port"},
		{"IP:9001", "the host is missing: a port alone is for listening only"},
		{"IP:host:0", "port 0 (any free port) is for listening only"},
		{"IP:host:65536", "the port is not a decimal number from 0 to 65535"},
		{"IPv6", "a colon and the rest of the address must follow the scheme"},
		{"IPv4:[::1]:1", "the host is an address of the other family than the scheme"},
		{"IP:::1:9001", "write an IPv6 address, and only that, in brackets, as in IP:[::1]:9001"},
		{"IP:127.0.0.300:1", "the host is neither a host name nor an address"},
		{"UNIX:", "the path is missing"},
		{"UNIX:/a/", "the path ends in a slash, so it names a directory"},
		{"UNIX:/" + strings.Repeat("x", 107), "the path is too long for a unix socket: it has 108 bytes, and at most 107 fit"},
		{"FD:3", "it is for listening only"},
		{"systemd", "it is for listening only"},
		{"http:host:1", "it starts with none of UNIX: IP: IPv4: IPv6: TLS: FD: and is not systemd"},
		{"unix:/x", "it starts with none of UNIX: IP: IPv4: IPv6: TLS: FD: and is not systemd; did you mean UNIX:"},
	} {
		rows = append(rows, client(`-server: bad address "`+r.address+`": `+r.reason, "-server", r.address))
	}
	mustRefuse(t, append(rows,
		server(`-listen: bad address "IP:": there is no port`, "-listen", "IP:"),
		server(`-listen: bad address "IP:h:65536": the port is not a decimal number from 0 to 65535`, "-listen", "IP:h:65536"),
		server(`-listen: bad address "FD:2": the descriptor is not a decimal number from 3 to 2147483647 (0 to 2 are the standard ones)`,
			"-listen", "FD:2"),
		server(`-listen: UNIX:rel is a relative path, but -daemon changes the working directory to /: give an absolute path`, "-listen", "UNIX:rel", "-daemon"),
		client(`-server: UNIX:rel is a relative path, but -daemon changes the working directory to /: give an absolute path`, "-server", "UNIX:rel", "-daemon"),
	))
}

func TestK04RetryAndIdleAreBounded(t *testing.T) {
	mustRefuse(t, []usageRow{
		client(`-retry: "0" is not a whole number of milliseconds from 1 to 3600000`, "-retry", "0"),
		client(`-retry: "3600001" is not a whole number of milliseconds from 1 to 3600000`, "-retry", "3600001"),
		client(`-idle: "3600001" is not a whole number of milliseconds from 0 to 3600000`, "-idle", "3600001"),
	})
}

func TestK07ServerIsOneself(t *testing.T) {
	itself := func(listen, to string) usageRow {
		return client("-server: "+to+" is also the address of -listen: dc_client would connect to itself", "-listen", listen, "-server", to)
	}
	mustRefuse(t, []usageRow{
		itself("UNIX:/a", "UNIX:/a"),
		itself("UNIX:/a", "UNIX:/b/..//a"),
		itself("IP:host:9001", "IP:host:9001"),
		itself("IP:9001", "IP:127.0.0.1:9001"),
		itself("IP:9001", "IP:localhost:9001"),
		itself("IPv6:9001", "IP:[::1]:9001"),
		client("-server: UNIX:/tmp/scache is also the address of -listen: dc_client would connect to itself", "-server", "UNIX:/tmp/scache"),
	})
}
