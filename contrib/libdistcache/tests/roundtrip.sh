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
start client ' ready ' "$DAEMONS/dc_client" -listen "UNIX:$directory/s" -server "UNIX:$directory/server" -retry 50
start floor ' ready ' "$DAEMONS/dc_client" -listen "UNIX:$directory/floor" -server "UNIX:$directory/server" -minexpiry 5000
start tcp ' ready ' "$DAEMONS/dc_server" -listen IP:127.0.0.1:0
port=$(sed -n 's/.*127\.0\.0\.1:\([0-9][0-9]*\).*/\1/p' "$directory/tcp.log" | grep -v '^0$' | head -n 1)

for target in "UNIX:$directory/s" "UNIX:$directory/server" "IP:127.0.0.1:$port"; do
	quietly 30 "$program" all "$target" || fail "operations at $target"
done
quietly 10 "$program" short-lived "UNIX:$directory/s" || fail "a session of 100 ms lives longer"
quietly 10 "$program" raised "UNIX:$directory/floor" || fail "-minexpiry does not let it live longer"
end "$server"
quietly 10 "$program" disconnected "UNIX:$directory/s" || fail "dc_client without its dc_server"
echo "ok   roundtrip: unix sockets through dc_client, dc_server itself, TCP, expiry, no server"
