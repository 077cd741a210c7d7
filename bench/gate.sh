#!/usr/bin/env bash
# Fails when dc_client or dc_server takes more than 5 % more processor time than in the last release, in any cell, by the
# median of 30 interleaved rounds. The last release is the newest tag v* before this revision, or BASE.
#
#	[BASE=revision] bench/gate.sh [flag of bench/system …]
#
# Exit codes: 0 passed, 1 slower or not measured (the cells are named), 2 nothing to compare with.
set -eu
cd "$(dirname "$0")/.."
base=${BASE:-$(git describe --tags --match 'v[0-9]*' --abbrev=0 2>/dev/null || true)}
if [ -z "$base" ]; then
	echo "bench-gate: no release to compare with: there is no tag v*; give a revision, as in make bench-gate BASE=HEAD~10" >&2
	exit 2
fi
echo "bench-gate: comparing with $base" >&2
exec bench/compare.sh "$base" "" -gate 1.05 -o bin/gate.json "$@"
