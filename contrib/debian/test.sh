#!/usr/bin/env bash
# Tries the Debian packages in a Debian 12 of its own that systemd has booted: contrib/debian/inside.sh
# says what. usage: test.sh directory-of-the-packages work-directory (root only; needs mmdebstrap
# and systemd-nspawn). ROOT=file.tar names a root file system that is there already.
set -eu
packages=$(cd "${1:?usage: test.sh packages work}" && pwd)
mkdir -p "${2:?usage: test.sh packages work}"
work=$(cd "$2" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
[ "$(id -u)" = 0 ] || { echo "this needs root" >&2; exit 1; }
for tool in mmdebstrap systemd-nspawn; do
	command -v "$tool" >/dev/null || { echo "$tool is not there: apt-get install mmdebstrap systemd-container" >&2; exit 1; }
done

tar=${ROOT:-$work/root.tar}
if [ ! -e "$tar" ]; then
	mmdebstrap --quiet --format=tar --variant=minbase --include=systemd,systemd-sysv,dbus,libnss-systemd,procps bookworm "$tar.new"
	mv "$tar.new" "$tar"
fi
root=$work/root
trap 'rm -rf "$root"' EXIT
rm -rf "$root"
mkdir -p "$root"
tar -C "$root" -xf "$tar"

# The packages, and the same ones as a later version.
mkdir -p "$root/packages" "$root/upgrade"
cp "$packages"/*.deb "$root/packages/"
for package in "$packages"/*.deb; do
	rm -rf "$work/repack"
	dpkg-deb -R "$package" "$work/repack"
	sed -i 's/^Version: .*/&+later/; s/\(libdistcache1 (= [^)]*\))/\1+later)/' "$work/repack/DEBIAN/control"
	dpkg-deb -b --root-owner-group "$work/repack" "$root/upgrade" >/dev/null
done
rm -rf "$work/repack"

install -m 755 "$here/inside.sh" "$root/inside.sh"
cat >"$root/etc/systemd/system/inside.service" <<'UNIT'
[Unit]
Description=what is to be tried
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/inside.sh
StandardOutput=file:/results
StandardError=inherit
ExecStopPost=/usr/bin/systemctl poweroff --no-block
TimeoutStartSec=300
UNIT
# Not wanted by multi-user.target: After= it, a unit of its own target would never end the boot.
mkdir -p "$root/etc/systemd/system/default.target.wants"
ln -s /etc/systemd/system/inside.service "$root/etc/systemd/system/default.target.wants/inside.service"

timeout 600 systemd-nspawn --quiet -D "$root" --boot --private-network --register=no --keep-unit --console=pipe \
	</dev/null >"$work/console.log" 2>&1 || true
cp "$root/results" "$work/results" 2>/dev/null || { tail -n 30 "$work/console.log"; echo "FAIL: it did not run"; exit 1; }
cat "$work/results"
grep -q '^all done$' "$work/results" || { echo "FAIL: it did not come to its end"; exit 1; }
! grep -q '^FAIL' "$work/results"
