#!/usr/bin/env bash
# Starts dc_server and dc_client in a temporary folder, sends them real operations
# through the socket with dc_test, and stops both. Exit 0: every answer was right.
set -eu
bin=$(cd "${1:?usage: demo.sh folder-of-the-binaries}" && pwd)
folder=$(mktemp -d)
server=
client=

stop() {
	for pid in $client $server; do
		kill "$pid" 2>/dev/null && wait "$pid" || true
	done
	rm -rf "$folder"
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

"$bin/dc_server" -listen "UNIX:$folder/server" 2>"$folder/server.log" &
server=$!
started $server "$folder/server.log"
"$bin/dc_client" -listen "UNIX:$folder/socket" -server "UNIX:$folder/server" 2>"$folder/client.log" &
client=$!
started $client "$folder/client.log"

echo "dc_server (memory) and dc_client run in $folder; dc_test asks through the socket:"
"$bin/dc_test" -connect "UNIX:$folder/socket" -sessions 100 -ops 20000 -clients 8
