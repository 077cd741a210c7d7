package main

import (
	"testing"

	"distcache/internal/test/kit"
)

func TestK01WrongSwitches(t *testing.T) {
	refuses := kit.Refuses(t, program, run)
	refuses(`-server: there is no such flag, see dc_server -help`, "-server", "UNIX:/x")
	refuses(`-sessions: needs an argument: -sessions number`, "-sessions")
	refuses(`-daemon: "1" is neither true nor false`, "-daemon=1")
}

// TestK02NumbersArePlainDecimalsInRange: options.TestBadNumbers has every spelling.
func TestK02NumbersArePlainDecimalsInRange(t *testing.T) {
	refuses := kit.Refuses(t, program, run)
	for _, flag := range []struct{ name, limits, below, above string }{
		{"-sessions", "from 64 to 1073741824", "63", "1073741825"},
		{"-progress", "from 0 to 2147483647", "-1", "2147483648"},
	} {
		for _, value := range []string{"5x", flag.below, flag.above} {
			refuses(flag.name+`: "`+value+`" is not a whole number `+flag.limits, flag.name+"="+value)
		}
	}
}

func TestK03AddressesSayWhatIsWrong(t *testing.T) {
	refuses := kit.Refuses(t, program, run)
	refuses(`-listen: bad address "IP:": there is no port`, "-listen", "IP:")
	refuses(`-listen: bad address "IP:h:65536": the port is not a decimal number from 0 to 65535`, "-listen", "IP:h:65536")
	refuses(`-listen: bad address "FD:2": the descriptor is not a decimal number from 3 to 2147483647 (0 to 2 are the standard ones)`, "-listen", "FD:2")
	refuses(`-listen: UNIX:rel is a relative path, but -daemon changes the working directory to /: give an absolute path`, "-listen", "UNIX:rel", "-daemon")
}
