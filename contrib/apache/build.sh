# Sourced by test.sh and bench.sh: builds the daemons, the library, the module against it, and the tool that makes handshakes.
# Set before: build (of deps.sh), library, and DAEMONS if they are built.

if [ ! -f "$build/httpd/configure" ]; then
	echo "the source of httpd is missing: run contrib/apache/deps.sh first" >&2
	exit 1
fi
if [ -z "${DAEMONS:-}" ]; then
	DAEMONS=$build/daemons
	mkdir -p "$DAEMONS"
	(cd ../.. && CGO_ENABLED=0 "${GO:-go}" build -o "$DAEMONS/" ./cmd/dc_client ./cmd/dc_server)
fi

# build_all: the library, the module against it, and the tool that makes handshakes.
build_all() {
	make -s -C $library all BUILD="$build/libdistcache"
	cp "$build/httpd/modules/cache/mod_socache_dc.c" "$build/libdistcache/"
	(cd "$build/libdistcache" && apxs -c -Wc,-Wall -I"$OLDPWD/$library/include" -L. -ldistcache \
		-Wl,-Wl,-rpath,"$build/libdistcache" mod_socache_dc.c)
	cp "$build/libdistcache/.libs/mod_socache_dc.so" "$build/"
	gcc -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -o "$build/handshakes" handshakes.c -lssl -lcrypto -pthread
}
build_all >"$build/build.log" 2>&1 || { tail -n 30 "$build/build.log" >&2; exit 1; }
