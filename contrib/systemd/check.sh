#!/usr/bin/env bash
# Checks the units as they are installed: what systemd says of them, and how well they are
# confined. usage: check.sh (needs systemd-analyze; nothing is started)
set -eu
cd "$(dirname "$0")/../.."
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
make -s install DESTDIR="$root" PREFIX=/usr
units=$root/usr/lib/systemd/system

# What the units name besides: systemd-analyze looks for it below the root.
install -D /dev/null "$root/bin/kill"
chmod 755 "$root/bin/kill"
for unit in network.target multi-user.target sockets.target sysinit.target basic.target shutdown.target system.slice; do
	printf '[Unit]\nDescription=stand-in\nDefaultDependencies=no\n' >"$units/$unit"
done

for daemon in client server; do
	said=$(systemd-analyze verify --root="$root" --man=no --recursive-errors=yes \
		"$units/distcache-$daemon.service" "$units/distcache-$daemon.socket" 2>&1) || { echo "$said"; exit 1; }
	[ -z "$said" ] || { echo "$said"; exit 1; }
	# 15 is an exposure of 1.5 of 10.
	systemd-analyze security --offline=true --threshold=15 --no-pager --root="$root" \
		"distcache-$daemon.service" >"$root/score" || { cat "$root/score"; exit 1; }
	tail -n 1 "$root/score"
done
