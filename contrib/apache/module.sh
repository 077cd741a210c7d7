#!/bin/sh
# Builds the library, and mod_socache_dc against it: mod_socache_dc.so in the directory of deps.sh, which comes first.
# usage: module.sh [directory of deps.sh]
set -eu
cd "$(dirname "$0")"
build=$(cd "${1:-build}" && pwd)
library=$(cd ../libdistcache && pwd)

build_all() {
	make -s -C "$library" all BUILD="$build/libdistcache"
	cp "$build/httpd/modules/cache/mod_socache_dc.c" "$build/libdistcache/"
	cd "$build/libdistcache"
	apxs -c -Wc,-Wall -I"$library/include" -L. -ldistcache -Wl,-Wl,-rpath,"$build/libdistcache" mod_socache_dc.c
	cp .libs/mod_socache_dc.so "$build/"
}
(build_all) >"$build/build.log" 2>&1 || { tail -n 30 "$build/build.log" >&2; exit 1; }
