#!/usr/bin/env bash
# Builds the Debian packages in a copy of the sources, and shows them to lintian where there is
# one. usage: build.sh directory
#
# The copy has the Go packages that the tools consist of, with the modules that they need in
# vendor/. The build itself is offline. Debian 12 has no Go that is new enough, so the Go in
# PATH is taken (dpkg-buildpackage -d).
set -eu
directory=${1:?usage: build.sh directory}
mkdir -p "$directory"
directory=$(cd "$directory" && pwd)
cd "$(dirname "$0")/../.."
go=${GO:-go}
version=$(sed -n '1s/.*(\(.*\)).*/\1/p' contrib/debian/changelog)
library=$(sed -n 's/^VERSION *:= *//p' contrib/libdistcache/Makefile)
if [ "$version" != "$library" ]; then
	echo "contrib/debian/changelog has version $version, contrib/libdistcache/Makefile $library: make them the same" >&2
	exit 1
fi
if ! command -v dh >/dev/null; then
	echo "dh is not there: apt-get install debhelper" >&2
	exit 1
fi

source=$directory/distcache-$version
rm -rf "${directory:?}"/*
mkdir -p "$source/docs" "$source/contrib"

# The sources.
cp -R Makefile LICENSE go.mod go.sum "$source/"
cp -R docs/man docs/APACHE.md "$source/docs/"
cp -R contrib/systemd contrib/config "$source/contrib/"
mkdir "$source/contrib/libdistcache"
for part in Makefile README.md libdistcache.map distcache.pc.in include man nal src tests examples; do
	cp -R "contrib/libdistcache/$part" "$source/contrib/libdistcache/"
done
"$go" list -deps -f '{{if .Module}}{{if .Module.Main}}{{.ImportPath}}{{range .GoFiles}} {{.}}{{end}}{{range .EmbedFiles}} {{.}}{{end}}{{end}}{{end}}' ./cmd/... |
	while read -r package files; do
		package=${package#distcache/}
		mkdir -p "$source/$package"
		for file in $files; do install -D -m 644 "$package/$file" "$source/$package/$file"; done
	done
(cd "$source" && "$go" mod vendor)

# The packaging. debhelper wants the units under the names of their packages.
cp -R contrib/debian "$source/debian"
rm "$source/debian/build.sh"
for daemon in client server; do
	for kind in service socket default; do
		cp "contrib/systemd/distcache-$daemon.$kind" "$source/debian/"
	done
	cp contrib/systemd/distcache.sysusers "$source/debian/distcache-$daemon.sysusers"
done
cp contrib/systemd/distcache.tmpfiles "$source/debian/distcache-client.tmpfiles"

# The licences of what is linked in.
for file in $(cd "$source" && find vendor -iname 'LICENSE*' | sort); do
	module=$(dirname "$file")
	holders=$(sed -n 's/^ *\(The MIT License (MIT)\)\{0,1\} *Copyright:\{0,1\} *\((c)\|©\)\{0,1\} *\([0-9].*\)/\3/Ip' "$source/$file" | sed 's/ *$//' | head -n 5)
	printf '\nFiles: %s/*\nCopyright: %s\n' "$module" "$(sed '2,$s/^/ /' <<<"${holders:-the authors of ${module#vendor/}}")"
	if grep -q 'Apache License' "$source/$file"; then
		echo 'License: Apache-2.0'
	else
		printf 'License: %s\n' "licence-of-${module##*/}"
		sed 's/\r$//; s/^[[:space:]]*$/./; s/^/ /' "$source/$file"
	fi
done >>"$source/debian/copyright"

log=$directory/build.log
GOCACHE=$("$go" env GOCACHE)
export GOCACHE
(cd "$source" && DEB_BUILD_OPTIONS="noautodbgsym ${DEB_BUILD_OPTIONS:-}" dpkg-buildpackage -b -us -uc -d >"$log" 2>&1) ||
	{ tail -n 40 "$log"; exit 1; }
ls -1 "$directory"/*.deb
if command -v lintian >/dev/null; then
	lintian --allow-root --fail-on error,warning "$directory"/*.changes && echo "lintian: no errors, no warnings"
fi
