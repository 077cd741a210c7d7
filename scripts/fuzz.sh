#!/usr/bin/env bash
# Runs each fuzz target of the module for the time given (as go test -fuzztime takes it).
set -euo pipefail
time=${1:?usage: fuzz.sh time, such as 10s}
go=${GO:-go}
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT

fuzz() {
	"$go" test -run '^$' -fuzz "^$2\$" -fuzztime "$time" -fuzzminimizetime 100x "$1" 2>&1 | tee "$log"
}

# go test fails now and then although no input did: the end of the time meets a worker that is still busy.
again() {
	grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input written' "$log" && fuzz "$1" "$2"
}

grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r directory; do
	for target in $(grep -h '^func Fuzz' "$directory"/*_test.go | sed 's/func \(Fuzz[A-Za-z0-9_]*\).*/\1/' | sort); do
		echo "fuzzing $directory $target for $time"
		fuzz "$directory" "$target" || again "$directory" "$target"
	done
done
