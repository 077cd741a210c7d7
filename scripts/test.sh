#!/usr/bin/env bash
# Runs go test with the flags (-name=value) and packages that it is given. It builds the commands
# that the tests run before, once for all packages, into bin/tests: what has not changed is not
# linked again. The tests get links to the files, which a later build does not change, in a directory
# that is open to everybody, as some run as an ordinary user. The tests themselves are kept in
# bin/tests.packages (300 MB), for the same reason: linking all of them takes 50 s of CPU. The tables
# for debuggers are left out, which saves a third of the time of linking.
set -eu
GO=${GO:-go}
kept=$(dirname "$0")/../bin/tests
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
chmod 755 "$built"
mkdir -p "$kept/faults"

build() { CGO_ENABLED=0 "$GO" build -trimpath -ldflags='-s -w' "$@"; }
(
	flock 9 # other runs of this script
	build -o "$kept/" ./cmd/dc_client ./cmd/dc_server ./cmd/dc_test ./bench/floor ./bench/stub ./bench/peers/... ./examples/tlsserver
	build -tags faults -o "$kept/faults/" ./cmd/dc_client ./cmd/dc_server
	cp -rl "$kept/." "$built" 2>/dev/null || cp -r "$kept/." "$built" # a link does not lead to another file system
) 9>"$kept/lock"
export DISTCACHE_TEST_TOOLS=$built

flags=()
while [[ ${1-} = -* ]]; do
	flags+=("$1")
	shift
done
# go test -o wants a directory of its own for each package of one name: the second ones go to 2, and so on.
packages=$("$GO" list "$@")
test_group() {
	mkdir -p "$kept.packages/$1"
	# shellcheck disable=SC2046 # a word for each package
	"$GO" test "${flags[@]}" -ldflags='-s -w' -o "$kept.packages/$1/" $(awk -F/ -v group="$1" '++seen[$NF] == group' <<<"$packages")
}
failed=0
for group in $(awk -F/ '{ print ++seen[$NF] }' <<<"$packages" | sort -nu); do
	test_group "$group" || failed=1
done
exit $failed
