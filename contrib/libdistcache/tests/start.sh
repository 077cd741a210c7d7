# For tests that start programs: makes a temporary directory, and ends each program by its process ID.
directory=$(mktemp -d /tmp/dcXXXXXX)
pids=

# end PID: now. A program that was stopped goes on to do so; one that does not in 10 seconds is killed.
end() {
	# A number whose program is over may be another's by now.
	[ "$(ps -o ppid= -p "$1" | tr -d ' ')" = $$ ] || return 0
	kill "$1" 2>/dev/null || return 0
	kill -CONT "$1" 2>/dev/null || true
	for _ in $(seq 200); do
		case $(ps -o stat= -p "$1") in '' | Z*) break ;; esac
		sleep 0.05
	done
	kill -KILL "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
}

end_all() {
	for pid in $pids; do
		end "$pid"
	done
	rm -rf "$directory"
}
trap end_all EXIT
trap 'exit 1' HUP INT PIPE TERM

fail() { echo "FAIL $(basename "$0" .sh): $*"; exit 1; }

# wait_for TEXT FILE PID: until that program has written that text there.
wait_for() {
	for _ in $(seq 200); do
		if grep -q -- "$1" "$2" 2>/dev/null; then return; fi
		kill -0 "$3" 2>/dev/null || break
		sleep 0.05
	done
	cat "$2" 2>/dev/null || true
	fail "no \"$1\" in $2"
}

# start NAME READY COMMAND...: runs the command until the end of the test; its pid is in $started.
start() {
	name=$1 ready=$2
	shift 2
	"$@" >"$directory/$name.log" 2>&1 &
	started=$!
	pids="$pids $started"
	wait_for "$ready" "$directory/$name.log" "$started"
}
