# Sourced by test.sh and bench.sh: builds the daemons, the library, the module against it, and the tool that makes handshakes.
# Set before: build (of deps.sh), library, and DAEMONS if they are built.

if [ ! -f "$build/httpd/configure" ]; then
	echo "the source of httpd is missing: run contrib/apache/deps.sh first" >&2
	exit 1
fi
if [ -z "${DAEMONS:-}" ]; then
	DAEMONS=$build/daemons
	mkdir -p "$DAEMONS"
	(cd ../.. && CGO_ENABLED=0 "${GO:-go}" build -o "$DAEMONS/" ./cmd/dc_client ./cmd/dc_server)
fi

./module.sh "$build"
gcc -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -o "$build/handshakes" handshakes.c -lssl -lcrypto -pthread
