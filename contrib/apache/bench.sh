#!/bin/sh
# Measures what it saves that libdistcache keeps a temporary connection: CPU of httpd's calls of the library and of
# dc_client for each TLS handshake, and the time of a call. One httpd keeps them, another opens one for each operation
# (DISTCACHE_KEEP_MSECS=0); each has a dc_client of its own. The load alternates between the two in short rounds, so that
# other work on the machine falls on both; what counts is the median of the ratios of the rounds. Run deps.sh first.
# usage: [DAEMONS=directory] [ROUNDS=15] [THREADS="1 16"] [HANDSHAKES=300] bench.sh [directory of deps.sh]
set -eu
[ -z "${DAEMONS:-}" ] || DAEMONS=$(cd "$DAEMONS" && pwd)
cd "$(dirname "$0")"
build=$(cd "${1:-build}" && pwd)
library=../libdistcache
rounds=${ROUNDS:-15} handshakes=${HANDSHAKES:-300}

. ./build.sh
. $library/tests/start.sh
. ./site.sh
make_certificate
gcc -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -shared -fPIC -o "$directory/calls.so" calls.c
gcc -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -o "$directory/calls" calls.c

# field NAME LINE: the value of name=value in a line of figures.
field() { echo "$2" | tr ' ' '\n' | sed -n "s/^$1=//p"; }
# cpu_of PID...: CPU time of these processes so far, in microseconds.
cpu_of() {
	for pid; do
		cat "/proc/$pid/task/"*/schedstat
	done | awk '{ sum += $1 } END { printf "%.0f", sum / 1000 }'
}
# all_of PID: that process of httpd and its children.
all_of() { echo "$1" $(ps -o pid= --ppid "$1"); }

# start_pair NAME PORT MSECS: a dc_client and an httpd.
start_pair() {
	start_client_at "$1.s" "client_$1" -minexpiry 300000
	eval "client_$1=$started"
	LD_PRELOAD=$directory/calls.so DISTCACHE_CALLS=$directory/$1.calls DISTCACHE_KEEP_MSECS=$3 \
		start_httpd "$1" "$2" "dc:UNIX:$directory/$1.s"
	eval "httpd_$1=$started port_$1=$2"
}
set -- $("$build/handshakes" ports 2)
start_server
start_pair each "$1" 0
start_pair kept "$2" 1000

# run NAME THREADS TLS: one round of load; prints microseconds a handshake: calls, dc_client, httpd; and p50 of a call.
run() {
	eval "client=\$client_$1 httpd_pid=\$httpd_$1 port=\$port_$1"
	"$directory/calls" "$directory/$1.calls" >/dev/null
	client_before=$(cpu_of "$client") httpd_before=$(cpu_of $(all_of "$httpd_pid"))
	line=$("$build/handshakes" cross "$2" $((handshakes / 3)) "$3" "$port" "$port")
	client_after=$(cpu_of "$client") httpd_after=$(cpu_of $(all_of "$httpd_pid"))
	[ "$(field failed "$line")" = 0 ] && [ "$(field not_resumed "$line")" = 0 ] || fail "$1: $line"
	figures=$("$directory/calls" "$directory/$1.calls")
	done=$(($(field full "$line") + $(field resumed "$line")))
	echo "$done $(field cpu "$figures") $((client_after - client_before)) $((httpd_after - httpd_before)) $(field p50 "$figures") $(field p99 "$figures") $(field calls "$figures")" |
		awk '{ printf "%.1f %.1f %.1f %.1f %.1f %.2f\n", $2 / $1, $3 / $1, $4 / $1, $5, $6, $7 / $1 }'
}

# summarize FILE: medians of the rounds, and of their ratios. A line has the figures of run for each, then for kept.
summarize() {
	awk 'function median(values, n,   i, j, t) {
		for (i = 2; i <= n; i++) for (j = i; j > 1 && values[j - 1] > values[j]; j--) { t = values[j]; values[j] = values[j - 1]; values[j - 1] = t }
		return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2
	}
	function row(what, target, each, kept,   n, a, b, r) {
		for (n = 1; n <= NR; n++) { a[n] = each[n]; b[n] = kept[n]; r[n] = kept[n] / each[n] }
		printf "     %-34s %8.1f %8.1f   %.2fx%s\n", what, median(a, NR), median(b, NR), median(r, NR), target
	}
	{ ca[NR] = $1; da[NR] = $2; pa[NR] = $1 + $2; ha[NR] = $3; la[NR] = $4; qa[NR] = $5; calls = $6
	  cb[NR] = $7; db[NR] = $8; pb[NR] = $7 + $8; hb[NR] = $9; lb[NR] = $10; qb[NR] = $11 }
	END {
		printf "     %-34s %8s %8s   median of the ratios; %.2f calls a handshake\n", "", "each", "kept", calls
		row("calls in httpd, CPU us/handshake", "", ca, cb)
		row("dc_client, CPU us/handshake", " (wanted: 0.4x)", da, db)
		row("both", " (wanted: 0.5x)", pa, pb)
		row("httpd in all, CPU us/handshake", "", ha, hb)
		row("a call, p50 us", " (wanted: 0.6x)", la, lb)
		row("a call, p99 us", "", qa, qb)
	}' "$1"
}

# accepted NAME: connections that the dc_client has taken so far.
accepted() {
	eval "client=\$client_$1"
	before=$(grep -c ' figures ' "$directory/client_$1.log") || true
	kill -USR1 "$client"
	for _ in $(seq 100); do
		[ "$(grep -c ' figures ' "$directory/client_$1.log")" = "$before" ] || break
		sleep 0.05
	done
	sed -n 's/.* figures .*accepted=\([0-9]*\).*/\1/p' "$directory/client_$1.log" | tail -n 1
}

for threads in ${THREADS:-1 16}; do
	for tls in 1.2 1.3; do
		each_before=$(accepted each) kept_before=$(accepted kept)
		run each "$threads" $tls >/dev/null # to warm both
		run kept "$threads" $tls >/dev/null
		for _ in $(seq "$rounds"); do
			each=$(run each "$threads" $tls)
			echo "$each $(run kept "$threads" $tls)"
		done >"$directory/rounds"
		echo "--- TLS $tls, $threads clients at a time, $rounds rounds of $handshakes handshakes; dc_client accepted $(($(accepted each) - each_before)) and $(($(accepted kept) - kept_before)) connections"
		summarize "$directory/rounds"
	done
done
