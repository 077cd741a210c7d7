#!/usr/bin/env bash
# Runs each fuzz target of the module for the time given (as go test -fuzztime takes it).
set -eu
time=${1:?usage: fuzz.sh time, such as 10s}
go=${GO:-go}
cd "$(dirname "$0")/.."
grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r directory; do
	for target in $(grep -h '^func Fuzz' "$directory"/*_test.go | sed 's/func \(Fuzz[A-Za-z0-9_]*\).*/\1/' | sort); do
		echo "fuzzing $directory $target for $time"
		"$go" test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 100x "$directory"
	done
done
