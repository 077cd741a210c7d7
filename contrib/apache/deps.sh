#!/bin/sh
# Installs what test.sh and configure.sh need: Debian's httpd (the programs, not the service) and the tools to build
# modules. It also fetches the source package of apache2, and unpacks httpd's own sources to httpd.
# usage: deps.sh [directory]   (default: build, beside this script)
set -eu
cd "$(dirname "$0")"
directory=${1:-build}
mkdir -p "$directory"
directory=$(cd "$directory" && pwd)

packages="apache2-bin apache2-dev gcc libc6-dev libpcre2-dev libssl-dev make openssl"
missing=
for package in $packages; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing="$missing $package"
done
if [ -n "$missing" ]; then
	[ "$(id -u)" = 0 ] || { echo "not installed:$missing; as root: apt-get install$missing" >&2; exit 1; }
	apt-get update -qq
	# shellcheck disable=SC2086 # several words
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >"$directory/install.log" 2>&1 ||
		{ tail -n 20 "$directory/install.log" >&2; exit 1; }
fi

if [ -f "$directory/httpd/configure" ]; then
	echo "source: apache2 $(cat "$directory/version")"
	exit 0
fi

# A separate list of sources, so that the system's list does not change.
mkdir -p "$directory/lists/partial"
. /etc/os-release
for place in "debian $VERSION_CODENAME $VERSION_CODENAME-updates" "debian-security $VERSION_CODENAME-security"; do
	cat <<E1
Types: deb-src
URIs: http://deb.debian.org/${place%% *}
Suites: ${place#* }
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

E1
done >"$directory/src.sources"
apt() {
	program=$1
	shift
	"$program" -q -o Dir::Etc::SourceList="$directory/src.sources" -o Dir::Etc::SourceParts=/nonexistent \
		-o Dir::State::Lists="$directory/lists" -o APT::Sandbox::User="$(id -un)" "$@"
}
apt apt-get update >"$directory/source.log" 2>&1 || { tail -n 20 "$directory/source.log" >&2; exit 1; }

# The archive may lack the newest version in the index. Then take the next one.
cd "$directory"
for version in $(apt apt-cache showsrc --only-source apache2 | sed -n 's/^Version: //p' | sort -Vru); do
	if apt apt-get --only-source --download-only source "apache2=$version" >>source.log 2>&1; then
		tarball=apache2_${version%-*}.orig.tar.gz
		rm -rf httpd httpd.new
		mkdir httpd.new
		tar -xzf "$tarball" --no-same-owner --strip-components=1 -C httpd.new
		mv httpd.new httpd
		echo "$version" >version
		rm -rf lists apache2_*
		echo "source: apache2 $version"
		exit 0
	fi
	echo "source: apache2 $version is in the index, but cannot be downloaded" >&2
done
tail -n 20 source.log >&2
exit 1
