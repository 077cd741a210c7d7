#!/usr/bin/env bash
# Moves what `make fuzz` has found into the tree: of the inputs in the go command's cache,
# shortest first, each that runs code which those before it did not. They are then run by
# `go test`, and `make fuzz` begins with them.
set -eu
go=${GO:-go}
cd "$(dirname "$0")/.."
cache=$("$go" env GOCACHE)/fuzz
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# covered lists the blocks that one run of the fuzz target executes: seeds of the source
# with all inputs in testdata, or a single input.
covered() { # directory, pattern
	(cd "$1" && "$work/tests" -test.run "$2" -test.coverprofile "$work/profile") >"$work/said" 2>&1 ||
		{ cat "$work/said" >&2; return 1; }
	awk '$NF > 0 { print $1 }' "$work/profile" | sort -u
}

keep_new() { # directory, target
	local kept="$1/testdata/fuzz/$2" input name found=0
	covered "$1" "^$2\$" >"$work/seen"
	while read -r input; do
		name=$(basename "$input")
		[ ! -e "$kept/$name" ] || continue
		mkdir -p "$kept"
		cp "$input" "$kept/$name"
		covered "$1" "^$2\$/^$name\$" >"$work/new"
		if [ -n "$(comm -13 "$work/seen" "$work/new")" ]; then
			found=$((found + 1))
			sort -u -o "$work/seen" "$work/seen" "$work/new"
		else
			rm "$kept/$name"
		fi
	done < <(find "$cache/$("$go" list "$1")/$2" -type f -printf '%s %p\n' 2>/dev/null | sort -n | cut -d' ' -f2-)
	rmdir -p --ignore-fail-on-non-empty "$kept" 2>/dev/null || true
	echo "$1 $2: $found more"
}

grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r directory; do
	"$go" test -c -coverpkg ./... -o "$work/tests" "$directory"
	for target in $(grep -h '^func Fuzz' "$directory"/*_test.go | sed 's/func \(Fuzz[A-Za-z0-9_]*\).*/\1/' | sort); do
		keep_new "$directory" "$target"
	done
done
