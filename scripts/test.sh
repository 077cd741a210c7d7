#!/usr/bin/env bash
# Runs go test with the flags and packages that it is given. It builds the commands that the
# tests run before, once for all packages.
set -eu
GO=${GO:-go}
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
chmod 755 "$built" # some tests run as an ordinary user
mkdir "$built/faults"
CGO_ENABLED=0 "$GO" build -trimpath -o "$built/" ./cmd/... ./bench/floor ./bench/stub ./bench/peers/... ./examples/tlsserver
CGO_ENABLED=0 "$GO" build -trimpath -tags faults -o "$built/faults/" ./cmd/dc_client ./cmd/dc_server
DISTCACHE_TEST_TOOLS=$built "$GO" test "$@"
