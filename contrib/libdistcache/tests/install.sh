#!/bin/sh
# Checks what is exported and what is installed: programs in C and C++ are built against it and run.
# usage: install.sh build-directory
set -eu
build=$(cd "$1" && pwd)
directory=$(mktemp -d /tmp/dcXXXXXX)
trap 'rm -rf "$directory"' EXIT
trap 'exit 1' HUP INT PIPE TERM
fail() { echo "FAIL install: $*"; exit 1; }

# The shared library shows the API and nothing else; so does the static one, but for names that start with dc_.
api="DC_CTX_add_session DC_CTX_free DC_CTX_get_session DC_CTX_has_session DC_CTX_new DC_CTX_reget_session DC_CTX_remove_session"
exported=$(nm -D --defined-only "$build/libdistcache.so" | awk '$2 == "T" { sub("@.*", "", $3); print $3 }' | sort | xargs)
[ "$exported" = "$api" ] || fail "the library exports: got $exported, want $api"
others=$(nm -g --defined-only "$build/libdistcache.a" | awk '$2 ~ /[A-Z]/ && $3 !~ /^(dc_|DC_CTX_)/ { print $3 }' | xargs)
[ -z "$others" ] || fail "the static library has names that may collide: $others"
readelf -d "$build/libdistcache.so" | grep -q 'SONAME.*\[libdistcache.so.1\]' || fail "the soname is not libdistcache.so.1"
needed=$(readelf -d "$build/libdistcache.so" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | xargs)
[ "$needed" = libc.so.6 ] || fail "the library needs: got $needed, want libc.so.6 alone"

MAKEFLAGS= make -s install DESTDIR="$directory/root" PREFIX=/opt/dc BUILD="$build" >/dev/null
export PKG_CONFIG_PATH="$directory/root/opt/dc/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$directory/root"
flags=$(pkg-config --cflags --libs distcache) || fail "pkg-config does not find distcache"

cat >"$directory/program.c" <<'C'
#include <distcache/dc_client.h>
#include <stdio.h>
int main(void)
{
	DC_CTX *ctx = DC_CTX_new("UNIX:/no/listener/here", 0);
	unsigned char id[] = {1, 2, 3};
	int has = DC_CTX_has_session(ctx, id, sizeof id);
	DC_CTX_free(ctx);
	printf("%d\n", has);
	return has == -1 ? 0 : 1;
}
C
cp "$directory/program.c" "$directory/program.cc"
# shellcheck disable=SC2086 # the flags are several words
${CC:-cc} -Wall -Wextra -Wpedantic -Werror -o "$directory/shared" "$directory/program.c" $flags
LD_LIBRARY_PATH="$directory/root/opt/dc/lib" "$directory/shared" >/dev/null || fail "the program against the shared library"
${CC:-cc} -std=c89 -Wall -Wextra -Werror -I"$directory/root/opt/dc/include" -o "$directory/static" "$directory/program.c" \
	"$directory/root/opt/dc/lib/libdistcache.a" -pthread
"$directory/static" >/dev/null || fail "the program with the static library"

# A page for each call.
for call in $api; do
	[ -f "$directory/root/opt/dc/share/man/man3/$call.3" ] || fail "no man page of $call"
done

# -lnal links, adds no library to load, and a program that was linked with libnal.so.1 starts.
# shellcheck disable=SC2086
${CC:-cc} -o "$directory/nal" "$directory/program.c" $flags -lnal || fail "-lnal does not link"
! readelf -d "$directory/nal" | grep -q 'NEEDED.*libnal' || fail "-lnal makes the program need libnal.so"
LD_LIBRARY_PATH="$directory/root/opt/dc/lib" "$directory/nal" >/dev/null || fail "the program linked with -lnal"
# shellcheck disable=SC2086
${CC:-cc} -o "$directory/oldnal" "$directory/program.c" $flags -Wl,--no-as-needed -l:libnal.so.1 || fail "libnal.so.1 does not link"
readelf -d "$directory/oldnal" | grep -q 'NEEDED.*libnal.so.1' || fail "the program does not need libnal.so.1"
LD_LIBRARY_PATH="$directory/root/opt/dc/lib" "$directory/oldnal" >/dev/null || fail "the program that needs libnal.so.1"
if command -v "${CXX:-c++}" >/dev/null; then
	# shellcheck disable=SC2086
	${CXX:-c++} -Wall -Wextra -Wpedantic -Werror -o "$directory/plusplus" "$directory/program.cc" $flags
	LD_LIBRARY_PATH="$directory/root/opt/dc/lib" "$directory/plusplus" >/dev/null || fail "the C++ program"
fi
echo "ok   install: exported symbols, soname, pkg-config, C, C++, static, -lnal, libnal.so.1, man pages"
