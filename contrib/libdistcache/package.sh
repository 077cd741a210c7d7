#!/bin/sh
# Builds the Debian packages in a copy of the sources, and shows them to lintian where there is one.
# usage: package.sh version directory
set -eu
version=$1
mkdir -p "$2"
directory=$(cd "$2" && pwd)

changelog=$(sed -n '1s/.*(\(.*\)).*/\1/p' debian/changelog)
if [ "$changelog" != "$version" ]; then
	echo "debian/changelog has version $changelog, the Makefile $version: make them the same" >&2
	exit 1
fi
if ! command -v dh >/dev/null; then
	echo "dh is not there: apt-get install debhelper" >&2
	exit 1
fi
source=$directory/libdistcache-$version
rm -rf "${directory:?}"/*
mkdir -p "$source"
for part in Makefile README.md libdistcache.map distcache.pc.in package.sh include man nal src tests examples debian; do
	cp -R "$part" "$source/"
done
log=$directory/build.log
(cd "$source" && dpkg-buildpackage -b -us -uc >"$log" 2>&1) || { tail -n 40 "$log"; exit 1; }
ls -1 "$directory"/*.deb
if command -v lintian >/dev/null; then
	lintian --allow-root --fail-on error,warning "$directory"/*.changes && echo "lintian: no errors, no warnings"
fi
