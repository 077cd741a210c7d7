#!/bin/sh
# Builds the OpenSSL example, runs it twice, and resumes on the second what began on the first.
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
for name in a b; do
	start $name '^listening' "$directory/example" 127.0.0.1:0 "$directory/cert" "$directory/key" "UNIX:$directory/s"
	eval "$name=\$(sed -n 's/^listening on //p' '$directory/$name.log')"
done

# connect TLS OPTION ADDRESS: prints what the server says, full or resumed.
connect() {
	timeout 10 openssl s_client -connect "$3" "-$1" "$2" "$directory/session.$1" -ign_eof </dev/null 2>/dev/null |
		sed -n "s/^\(full\|resumed\) *$/\1/p" | grep . || echo nothing
}

# expect WHAT GOT WANT
expect() { [ "$2" = "$3" ] || fail "$1: got $2, want $3"; }

for tls in tls1_2 tls1_3; do
	expect "$tls, first" "$(connect $tls -sess_out "$a")" full
	expect "$tls, on the other server" "$(connect $tls -sess_in "$b")" resumed
done
expect "begun for the time without the cache" "$(connect tls1_2 -sess_out "$a")" full
end "$server"
expect "without the cache" "$(connect tls1_2 -sess_in "$b")" full
echo "ok   example: TLS 1.2 and 1.3 sessions of one server are resumed on the other, full without the cache"
