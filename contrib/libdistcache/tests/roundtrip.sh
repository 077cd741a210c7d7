#!/bin/sh
# Every operation through dc_client and dc_server, and to dc_server alone over TCP.
# usage: DAEMONS=directory roundtrip.sh program
set -eu
program=$1
here=$(dirname "$0")
. "$here/start.sh"
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1

# quietly SECONDS COMMAND...: shows the output when the command fails.
quietly() { timeout "$@" >"$directory/output" 2>&1 || { cat "$directory/output"; return 1; }; }

start server ' ready ' "$DAEMONS/dc_server" -listen "UNIX:$directory/server"
server=$started
start_client() {
	start "$1" 'connected to dc_server' "$DAEMONS/dc_client" -listen "UNIX:$directory/$1" -server "UNIX:$directory/server" -retry 50
}
start_client s
start floor ' ready ' "$DAEMONS/dc_client" -listen "UNIX:$directory/floor" -server "UNIX:$directory/server" -minexpiry 5000
start tcp ' ready ' "$DAEMONS/dc_server" -listen IP:127.0.0.1:0
port=$(sed -n 's/.*127\.0\.0\.1:\([0-9][0-9]*\).*/\1/p' "$directory/tcp.log" | grep -v '^0$' | head -n 1)

for target in "UNIX:$directory/s" "UNIX:$directory/server" "IP:127.0.0.1:$port"; do
	quietly 30 "$program" all "$target" || fail "operations at $target"
done
quietly 10 "$program" short-lived "UNIX:$directory/s" || fail "a session of 100 ms lives longer"
quietly 10 "$program" raised "UNIX:$directory/floor" || fail "-minexpiry does not let it live longer"

# Connections that are kept: of 10,000 operations with each kind of context, and when another dc_client is there.
start_client many
many=$started
export DISTCACHE_KEEP_MSECS=3600000
quietly 60 "$program" many "UNIX:$directory/many" || fail "10,000 operations"
kill -USR1 "$many"
wait_for ' figures ' "$directory/many.log" "$many"
accepted=$(sed -n 's/.* accepted=\([0-9]*\).*/\1/p' "$directory/many.log")
[ "$accepted" = 2 ] || fail "connections for 20,000 operations: got $accepted, want 2"
end "$many"
start_client again
mkfifo "$directory/go"
timeout 30 "$program" restarted "UNIX:$directory/again" <"$directory/go" >"$directory/asked" 2>&1 &
program_pid=$!
exec 3>"$directory/go"
asked=0
for signal in TERM KILL; do # one for each kind of context
	for _ in $(seq 200); do
		[ "$(grep -c '^asked' "$directory/asked")" -lt "$((asked + 1))" ] || break
		sleep 0.05
	done
	asked=$((asked + 1))
	kill -$signal "$started"
	wait "$started" 2>/dev/null || true
	start_client again
	echo >&3
done
exec 3>&-
wait "$program_pid" || { cat "$directory/asked"; fail "operations after a restart of dc_client"; }
unset DISTCACHE_KEEP_MSECS

end "$server"
quietly 10 "$program" disconnected "UNIX:$directory/s" || fail "dc_client without its dc_server"
echo "ok   roundtrip: unix sockets through dc_client, dc_server itself, TCP, expiry, kept connections, restarts, no server"
