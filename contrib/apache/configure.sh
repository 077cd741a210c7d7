#!/bin/sh
# Runs httpd's own configure with --enable-socache-dc against the library, as it is installed, and builds and links
# that one module. Run deps.sh first.
# usage: configure.sh [directory of deps.sh]
set -eu
cd "$(dirname "$0")"
build=$(cd "${1:-build}" && pwd)
prefix=$build/prefix module=$build/configured/modules/cache/.libs/mod_socache_dc.so
fail() { echo "FAIL configure: $*"; exit 1; }

rm -rf "$prefix" "$build/configured"
mkdir -p "$build/configured"
make -s -C ../libdistcache install PREFIX="$prefix" BUILD="$build/libdistcache" >"$build/configure.log" 2>&1 ||
	{ tail -n 20 "$build/configure.log"; fail "the library does not install"; }
cd "$build/configured"
timeout 600 ../httpd/configure -q --enable-modules=none --enable-socache-dc=shared --with-distcache="$prefix" \
	>>"$build/configure.log" 2>&1 || { tail -n 20 "$build/configure.log"; fail "httpd's configure refuses the library"; }
timeout 100 make -s -C modules/cache mod_socache_dc.la >>"$build/configure.log" 2>&1 ||
	{ tail -n 20 "$build/configure.log"; fail "mod_socache_dc does not build"; }

needed=$(readelf -d "$module" | sed -n 's/.*NEEDED.*\[\(lib\(distcache\|nal\).*\)\]/\1/p' | xargs)
[ "$needed" = libdistcache.so.1 ] || fail "the module needs: got $needed, want libdistcache.so.1 alone"
echo "ok   configure: httpd's own build takes the library, and mod_socache_dc links"
