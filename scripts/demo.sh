#!/usr/bin/env bash
# Starts dc_server and dc_client in a temporary directory, sends them real operations
# through the socket with dc_test, and stops both. Exit 0: every answer was right.
set -eu
bin=$(cd "${1:?usage: demo.sh directory-of-the-binaries}" && pwd)
directory=$(mktemp -d)
server=
client=

stop() {
	for pid in $client $server; do
		kill "$pid" 2>/dev/null && wait "$pid" || true
	done
	rm -rf "$directory"
}
trap stop EXIT

# started PID LOG: waits until that daemon says that it is ready.
started() {
	for _ in $(seq 200); do
		grep -q ' ready ' "$2" && return
		kill -0 "$1" 2>/dev/null || break
		sleep 0.05
	done
	echo "not started:" >&2
	cat "$2" >&2
	exit 1
}

"$bin/dc_server" -listen "UNIX:$directory/server" 2>"$directory/server.log" &
server=$!
started $server "$directory/server.log"
"$bin/dc_client" -listen "UNIX:$directory/socket" -server "UNIX:$directory/server" 2>"$directory/client.log" &
client=$!
started $client "$directory/client.log"

echo "dc_server (memory) and dc_client run in $directory; dc_test asks through the socket:"
"$bin/dc_test" -connect "UNIX:$directory/socket" -sessions 100 -ops 20000 -clients 8
