#!/usr/bin/env bash
# Runs dc_client and dc_server of two revisions side by side, in interleaved rounds, and
# prints for each cell how their processor times compare.
#
#	bench/compare.sh OLD [NEW] [flag of bench/system …]
#
# OLD and NEW are revisions as git names them; without NEW, or with an empty one, it is
# the working tree as it is. Sources are unpacked into a temporary directory: nothing in the
# repository changes, also when this is interrupted. What is around the two (floor, stub,
# load) is the working tree's in both cases.
set -eu
usage="usage: bench/compare.sh OLD [NEW] [flag of bench/system ...]"
old=${1:?$usage}
shift
new=
if [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; then
	new=$1
	shift
fi
cd "$(dirname "$0")/.."
export CGO_ENABLED=0
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# build REVISION NAME leaves that revision's dc_client and dc_server in $dir/NAME.
build() {
	git rev-parse --quiet --verify "$1^{commit}" >/dev/null || { echo "compare.sh: no revision $1" >&2; exit 2; }
	echo "compare.sh: building $1" >&2
	mkdir -p "$dir/$2" "$dir/$2-source"
	git archive "$1" | tar -x -C "$dir/$2-source"
	(cd "$dir/$2-source" && go build -trimpath -o "$dir/$2/" ./cmd/dc_client ./cmd/dc_server)
}

build "$old" old
if [ -n "$new" ]; then
	build "$new" new
	go build -trimpath -o "$dir/new/" ./bench/floor ./bench/stub ./bench/peers/goroutine ./bench/peers/gnetrun
	set -- -bin "$dir/new" "$@"
fi
go build -o "$dir/system" ./bench/system
"$dir/system" -compare "$dir/old" "$@"
