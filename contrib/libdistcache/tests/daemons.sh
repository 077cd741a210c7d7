#!/bin/sh
# Finds dc_client and dc_server, and runs a command with DAEMONS set to their directory. Go builds them if
# DAEMONS is not set.
# usage: daemons.sh build-directory command [argument...]
set -eu
build=$(cd "$1" && pwd)
shift
if [ -z "${DAEMONS:-}" ]; then
	if ! command -v "${GO:-go}" >/dev/null || [ ! -f ../../go.mod ]; then
		echo "skip $2: no dc_client and dc_server: set DAEMONS to the directory of the two programs, or install Go"
		exit 0
	fi
	DAEMONS=$build/daemons
	mkdir -p "$DAEMONS"
	(cd ../.. && CGO_ENABLED=0 "${GO:-go}" build -o "$DAEMONS/" ./cmd/dc_client ./cmd/dc_server)
fi
export DAEMONS
exec "$@"
