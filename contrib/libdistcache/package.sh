#!/bin/sh
# Builds the Debian packages in a copy of the sources, and shows them to lintian where there is one.
# usage: package.sh version folder
set -eu
version=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)

changelog=$(sed -n '1s/.*(\(.*\)).*/\1/p' debian/changelog)
if [ "$changelog" != "$version" ]; then
	echo "debian/changelog has version $changelog, the Makefile $version: make them the same" >&2
	exit 1
fi
if ! command -v dh >/dev/null; then
	echo "dh is not there: apt-get install debhelper" >&2
	exit 1
fi
source=$folder/libdistcache-$version
rm -rf "${folder:?}"/*
mkdir -p "$source"
for part in Makefile README.md libdistcache.map distcache.pc.in package.sh include src tests examples debian; do
	cp -R "$part" "$source/"
done
log=$folder/build.log
(cd "$source" && dpkg-buildpackage -b -us -uc >"$log" 2>&1) || { tail -n 40 "$log"; exit 1; }
ls -1 "$folder"/*.deb
if command -v lintian >/dev/null; then
	lintian --allow-root --fail-on error,warning "$folder"/*.changes && echo "lintian: no errors, no warnings"
fi
