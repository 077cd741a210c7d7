#!/bin/sh
# Builds the OpenSSL example, runs it several times, and resumes on one what began on another.
# usage: DAEMONS=directory example.sh build-directory
set -eu
here=$(dirname "$0")
build=$(cd "$1" && pwd)
if ! pkg-config --exists openssl; then
	echo "skip example: libssl-dev is not installed"
	exit 0
fi
. "$here/start.sh"
export LD_LIBRARY_PATH="$build"

# shellcheck disable=SC2046 # the flags are several words
${CC:-cc} -std=c11 -Wall -Wextra -Werror -O2 -Iinclude -o "$directory/example" examples/openssl_server.c \
	-L"$build" -ldistcache $(pkg-config --cflags --libs openssl)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost \
	-keyout "$directory/key" -out "$directory/cert" 2>/dev/null

start server ' ready ' "$DAEMONS/dc_server" -listen "UNIX:$directory/server"
server=$started
start client ' ready ' "$DAEMONS/dc_client" -listen "UNIX:$directory/s" -server "UNIX:$directory/server"
# start_example NAME ARGUMENT...: its address is then in $NAME.
start_example() {
	example=$1
	shift
	start "$example" '^listening' "$directory/example" 127.0.0.1:0 "$directory/cert" "$directory/key" "UNIX:$directory/s" "$@"
	eval "$example=\$(sed -n 's/^listening on //p' '$directory/$example.log')"
}
start_example a
start_example b

# connect TLS OPTION ADDRESS ARGUMENT...: prints what the server says, full or resumed.
connect() {
	tls=$1 option=$2 address=$3
	shift 3
	echo hello | timeout 10 openssl s_client -connect "$address" "-$tls" "$option" "$directory/session.$tls" -ign_eof "$@" 2>/dev/null |
		sed -n "s/^\(full\|resumed\) *$/\1/p" | grep . || echo nothing
}

# expect WHAT GOT WANT
expect() { [ "$2" = "$3" ] || fail "$1: got $2, want $3"; }

for tls in tls1_2 tls1_3; do
	expect "$tls, first" "$(connect $tls -sess_out "$a")" full
	expect "$tls, on the other server" "$(connect $tls -sess_in "$b")" resumed
done

# leave TLS ADDRESS: a handshake by a client that is killed, so it sends no close_notify.
leave() {
	rm -f "$directory/session.$1" "$directory/left.$1"
	mkfifo "$directory/input.$1"
	openssl s_client -connect "$2" "-$1" -sess_out "$directory/left.$1" <"$directory/input.$1" >/dev/null 2>&1 &
	left=$!
	pids="$pids $left"
	exec 9>"$directory/input.$1" # it waits for input
	for _ in $(seq 200); do
		# A copy: the client writes the file anew for each ticket.
		cp "$directory/left.$1" "$directory/session.$1" 2>/dev/null || true
		! grep -q 'END SSL SESSION' "$directory/session.$1" 2>/dev/null || break
		sleep 0.05
	done
	kill -KILL "$left"
	wait "$left" 2>/dev/null || true
	exec 9>&-
}
for tls in tls1_2 tls1_3; do
	leave $tls "$a"
	expect "$tls, begun by a client that left without close_notify" "$(connect $tls -sess_in "$a")" resumed
done

start_example month 2592000
start_example month2 2592000
for tls in tls1_2 tls1_3; do
	expect "$tls, a lifetime of 30 days" "$(connect $tls -sess_out "$month")" full
	expect "$tls, on the other server" "$(connect $tls -sess_in "$month2")" resumed
done

# big NAME COUNT: a client certificate of that many names.
big() {
	names=$(seq -f 'DNS:host-%g.example.org' -s , "$2")
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=client \
		-addext "subjectAltName=$names" -keyout "$directory/$1.key" -out "$directory/$1.cert" 2>/dev/null
}
big large 1000
big huge 2000
cat "$directory/large.cert" "$directory/huge.cert" >"$directory/ca"
start_example c 300 "$directory/ca"
start_example d 300 "$directory/ca"
as() { echo "-cert $directory/$1.cert -key $directory/$1.key"; }
# shellcheck disable=SC2046
for tls in tls1_2 tls1_3; do
	expect "$tls, a large client certificate" "$(connect $tls -sess_out "$c" $(as large))" full
	expect "$tls, on the other server" "$(connect $tls -sess_in "$d" $(as large))" resumed
	expect "$tls, a huge client certificate" "$(connect $tls -sess_out "$c" $(as huge))" full
	expect "$tls, on the other server" "$(connect $tls -sess_in "$d" $(as huge))" full
done
expect "notes about huge sessions" "$(grep -c 'too large' "$directory/c.log")" 1

expect "begun for the time without the cache" "$(connect tls1_2 -sess_out "$a")" full
end "$server"
expect "without the cache" "$(connect tls1_2 -sess_in "$b")" full
echo "ok   example: TLS 1.2 and 1.3 sessions of one server are resumed on the other, also after a client left without close_notify, with 30 days, and of 30 KB; full without the cache"
