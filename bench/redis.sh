#!/usr/bin/env bash
# Measures dc_server with its sessions in a Redis: CPU time of dc_server per operation at 256 requests in flight, unsealed and
# sealed in turn, and the latency through dc_client, dc_server and Redis at half of what they can do, beside that of clients
# that ask Redis directly. Wants redis-server, bin/ (make build) and an idle machine: dc_server has the first processor, Redis the second.
#
#	bench/redis.sh [rounds] [seconds]
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-5} seconds=${2:-5}
dir=$(mktemp -d) pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
port=$((20000 + RANDOM % 10000))

taskset -c 1 redis-server --bind 127.0.0.1 --port "$port" --save "" --appendonly no --dir "$dir" >"$dir/redis.log" &
pids+=($!)
(umask 077; { echo "id $(openssl rand -hex 32)"; echo "key $(openssl rand -hex 32)"; } >"$dir/keys")
sleep 0.5

# answers socket: waits until a HAVE is answered there
answers() {
	for _ in $(seq 100); do
		bin/dc_test -ping -connect "UNIX:$1" >/dev/null 2>&1 && return
		sleep 0.1
	done
	cat "$dir"/*.log >&2
	exit 1
}

ticks=$(getconf CLK_TCK)
cpu() { awk '{print $14 + $15}' "/proc/$1/stat"; }

# serve flags...: starts dc_server at $dir/s, and sets server
serve() {
	rm -f "$dir/s"
	taskset -c 0 bin/dc_server -listen "UNIX:$dir/s" -store "redis://127.0.0.1:$port" "$@" 2>"$dir/server.log" &
	server=$!
	pids+=("$server")
	answers "$dir/s"
	sleep 0.3
}

# measure: prints operations a second and microseconds of CPU an operation
measure() {
	local before after operations
	before=$(cpu "$server")
	operations=$(bin/dc_test -connect "UNIX:$dir/s" -lossy -clients 8 -pipeline 32 -duration "$seconds" -datamin 180 -datamax 180 -sessions 1000 \
		-mix 1:3:0:0 2>/dev/null | awk '$1 == "all" {print $2, $7}')
	after=$(cpu "$server")
	awk -v n="${operations% *}" -v e="${operations#* }" -v t="$((after - before))" -v hz="$ticks" -v s="$seconds" \
		'BEGIN {printf "%.0f op/s, %.2f us of CPU an operation, %d failed\n", n / s, t / hz * 1e6 / n, e}'
}

for _ in $(seq "$rounds"); do
	serve
	echo "unsealed: $(measure)"
	kill "$server"; wait "$server" || true
	serve -seal "$dir/keys"
	echo "sealed:   $(measure)"
	kill "$server"; wait "$server" || true
done

serve
bin/dc_client -listen "UNIX:$dir/c" -server "UNIX:$dir/s" 2>"$dir/client.log" &
pids+=($!)
answers "$dir/c"
go build -o "$dir/latency" ./bench/latency
most=$("$dir/latency" -connect "UNIX:$dir/c" -duration "${seconds}s")
rate=${RATE:-$(awk '{print int($1 / 2)}' <<<"$most")}
echo "through dc_client, dc_server and Redis, as fast as answers come: $most"
for _ in $(seq "$rounds"); do
	echo "through all, $rate op/s asked for (RATE=): $("$dir/latency" -connect "UNIX:$dir/c" -duration "${seconds}s" -rate "$rate")"
	echo "Redis itself, the same:                    $("$dir/latency" -redis -connect "IP:127.0.0.1:$port" -duration "${seconds}s" -rate "$rate")"
done
