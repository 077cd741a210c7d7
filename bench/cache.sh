#!/usr/bin/env bash
# Measures what dc_client -cache saves over a link of 10 ms and 100 Mbit/s: bytes on the link an operation, operations a second, and
# the latency of GETs, with sessions of 180 and 2,000 bytes. dc_client and dc_server are in two network namespaces. tc's tbf makes the
# link as narrow, and a relay beside dc_client makes it as long: not every kernel has netem.
# The bytes are those of Ethernet, with headers and acknowledgements; the first ADDs are a hundredth of them.
# Wants root, iproute2, python3 and bin/ (make build).
#
#	bench/cache.sh [seconds]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-8} rate=${RATE:-100mbit} delay=${DELAY:-0.005}
dir=$(mktemp -d) near=dcnear$$ far=dcfar$$ pids=()
finish() {
	kill "${pids[@]}" 2>/dev/null || true
	wait 2>/dev/null || true
	ip netns del "$near" 2>/dev/null || true
	ip netns del "$far" 2>/dev/null || true
	rm -rf "$dir"
}
trap finish EXIT

ip netns add "$near"
ip netns add "$far"
ip -n "$near" link add name wire type veth peer name wire netns "$far"
for end in "$near 10.77.0.1" "$far 10.77.0.2"; do
	read -r ns address <<<"$end"
	ip -n "$ns" address add "$address/24" dev wire
	ip -n "$ns" link set wire up
	ip -n "$ns" link set lo up
	ip netns exec "$ns" tc qdisc add dev wire root tbf rate "$rate" burst 64kb latency 100ms
done

# The relay: what comes leaves $delay later, in its order, both ways.
cat >"$dir/relay.py" <<'EOF'
import asyncio, socket, sys
delay = float(sys.argv[1])

async def pump(reader, writer):
    loop, queue = asyncio.get_running_loop(), asyncio.Queue()
    async def send():
        while True:
            due, data = await queue.get()
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            if not data:
                return writer.close()
            writer.write(data)
    asyncio.ensure_future(send())
    while True:
        data = await reader.read(1 << 18)
        queue.put_nowait((loop.time() + delay, data))
        if not data:
            return

async def serve(reader, writer):
    to_reader, to_writer = await asyncio.open_connection("10.77.0.2", 9001, limit=1 << 20)
    for w in writer, to_writer:
        w.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    await asyncio.gather(pump(reader, to_writer), pump(to_reader, writer))

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 9001, limit=1 << 20)
    await server.serve_forever()

asyncio.run(main())
EOF

counted() { ip netns exec "$near" cat "/sys/class/net/wire/statistics/$1"; }

# run cache size clients: prints a line of figures
run() {
	local server relay client sent received
	ip netns exec "$far" bin/dc_server -listen IP:10.77.0.2:9001 2>"$dir/server.log" & server=$!
	ip netns exec "$near" python3 "$dir/relay.py" "$delay" 2>"$dir/relay.log" & relay=$!
	ip netns exec "$near" bin/dc_client -listen "UNIX:$dir/s" -server IP:127.0.0.1:9001 -timeout 2000 -cache "$1" 2>"$dir/client.log" & client=$!
	pids+=("$server" "$relay" "$client")
	for _ in $(seq 100); do
		bin/dc_test -ping -connect "UNIX:$dir/s" >/dev/null 2>&1 && break
		sleep 0.1
	done
	sent=$(counted tx_bytes) received=$(counted rx_bytes)
	bin/dc_test -connect "UNIX:$dir/s" -persistent -clients "$3" -sessions 10 -preload -timeout 3600 -duration "$seconds" \
		-datamin "$2" -datamax "$2" -mix 0:1:0:0 -json "$dir/result.json" >/dev/null 2>"$dir/test.log" || { cat "$dir"/*.log >&2; exit 1; }
	sent=$(($(counted tx_bytes) - sent)) received=$(($(counted rx_bytes) - received))
	kill "$client" "$relay" "$server"
	wait "$client" "$relay" "$server" 2>/dev/null || true
	python3 - "$dir/result.json" "$sent" "$received" "$@" <<'EOF'
import json, sys
all, (sent, received) = json.load(open(sys.argv[1]))["all"], map(int, sys.argv[2:4])
cache, size, clients = sys.argv[4:]
n, latency = all["count"], all["latency"]
print(f"{size:>5} B, {clients:>3} clients, -cache {cache:>2}: {sent / n:6.0f} B sent + {received / n:6.0f} B received an operation, "
      f"{all['rate']:6.0f} op/s, p50 {latency['p50_us'] / 1000:5.1f} ms, p99 {latency['p99_us'] / 1000:5.1f} ms")
EOF
}

for size in 180 2000; do
	for clients in 16 128; do
		for cache in 0 64; do run "$cache" "$size" "$clients"; done
	done
done
