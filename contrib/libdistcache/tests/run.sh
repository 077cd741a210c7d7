#!/bin/sh
# Runs the test programs that are named, each with a limit of time. Output is shown when one fails, or with V=1.
set -eu
TMPDIR=$(mktemp -d /tmp/dcXXXXXX) # a program that crashes leaves its sockets there
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
trap 'exit 1' HUP INT PIPE TERM
log=$TMPDIR/log
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1

for program; do
	if timeout 300 "$program" >"$log" 2>&1; then
		echo "ok   $(basename "$(dirname "$program")")/$(basename "$program"): $(grep -c '^ok' "$log" || true) tests"
		[ -z "${V:-}" ] || cat "$log"
	else
		status=$?
		cat "$log"
		echo "FAIL $program: exit $status (124: it took longer than 300 s)"
		exit 1
	fi
done
