#!/usr/bin/env bash
# Tries the Debian packages in Debians 12 of their own that systemd has booted: contrib/debian/inside.sh
# and newuser.sh say what. usage: test.sh directory-of-the-packages work-directory [inside|newuser]
# (root only; needs mmdebstrap and systemd-nspawn). Root file systems are kept in the work directory.
set -eu
packages=$(cd "${1:?usage: test.sh packages work}" && pwd)
mkdir -p "${2:?usage: test.sh packages work}"
work=$(cd "$2" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
[ "$(id -u)" = 0 ] || { echo "this needs root" >&2; exit 1; }
for tool in mmdebstrap systemd-nspawn; do
	command -v "$tool" >/dev/null || { echo "$tool is not there: apt-get install mmdebstrap systemd-container" >&2; exit 1; }
done
root=$work/root
trap 'rm -rf "$root"' EXIT

# unpack NAME PACKAGES: a Debian with these packages, and ours in /packages.
unpack() {
	local tar=$work/$1.tar
	if [ ! -e "$tar" ]; then
		mmdebstrap --quiet --format=tar --variant=minbase --include="systemd,systemd-sysv,dbus,libnss-systemd,procps$2" bookworm "$tar.new"
		mv "$tar.new" "$tar"
	fi
	rm -rf "$root"
	mkdir -p "$root"
	tar -C "$root" -xf "$tar"
	mkdir -p "$root/packages"
	cp "$packages"/*.deb "$root/packages/"
	install -m 644 "$here/try.sh" "$root/try.sh"
}

# repack: the same packages as a later version, in /upgrade.
repack() {
	mkdir -p "$root/upgrade"
	for package in "$packages"/*.deb; do
		rm -rf "$work/repack"
		dpkg-deb -R "$package" "$work/repack"
		sed -i 's/^Version: .*/&+later/; s/\(libdistcache1 (= [^)]*\))/\1+later)/' "$work/repack/DEBIAN/control"
		dpkg-deb -b --root-owner-group "$work/repack" "$root/upgrade" >/dev/null
	done
	rm -rf "$work/repack"
}

# boot SCRIPT: boots the Debian, which runs the script. It fails unless each line of the script is ok.
boot() {
	install -m 755 "$here/$1" "$root/script.sh"
	cat >"$root/etc/systemd/system/script.service" <<'UNIT'
[Unit]
Description=what is to be tried
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/script.sh
StandardOutput=file:/results
StandardError=inherit
ExecStopPost=/usr/bin/systemctl poweroff --no-block
TimeoutStartSec=600
UNIT
	# Not wanted by multi-user.target: After= it, a unit of its own target would never end the boot.
	mkdir -p "$root/etc/systemd/system/default.target.wants"
	ln -s /etc/systemd/system/script.service "$root/etc/systemd/system/default.target.wants/script.service"
	timeout 900 systemd-nspawn --quiet -D "$root" --capability=CAP_IPC_LOCK --boot --private-network --register=no --keep-unit --console=pipe \
		</dev/null >"$work/console.log" 2>&1 || true
	cp "$root/results" "$work/results.$1" 2>/dev/null || { tail -n 30 "$work/console.log"; echo "FAIL: it did not run"; exit 1; }
	cat "$work/results.$1"
	grep -q '^all done$' "$work/results.$1" || { echo "FAIL: it did not come to its end"; exit 1; }
	! grep -q '^FAIL' "$work/results.$1"
}

if [ "${3:-inside}" = inside ]; then
	echo "--- install, use, upgrade, remove"
	unpack root ""
	repack
	boot inside.sh
fi
if [ "${3:-newuser}" = newuser ]; then
	echo "--- a new user: packages, Apache, the page, the journal"
	"$here/../apache/deps.sh" >/dev/null # for the source of mod_socache_dc
	unpack apache ",apache2,apache2-dev,gcc,libc6-dev,make,openssl,curl"
	cp "$here/../apache/build/httpd/modules/cache/mod_socache_dc.c" "$root/"
	boot newuser.sh
fi
