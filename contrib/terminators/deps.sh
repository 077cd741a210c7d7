#!/bin/sh
# Installs the terminators that the tests in internal/test/terminators start, from Debian: the programs, not the
# services. What cannot be had is named, and its test is skipped.
# usage: deps.sh
set -eu

# Debian's packages, by terminator.
terminators="
apache2-bin
stunnel4
nghttp2-proxy
h2o
nginx-light libnginx-mod-http-lua lua-resty-core lua-socket
proftpd-core proftpd-mod-crypto
freeradius freeradius-memcached eapoltest
openssl
"
# To build mod_socache_dc.
builders="apache2-dev gcc libc6-dev libssl-dev make"

missing() {
	for package; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || echo "$package"
	done
}

# shellcheck disable=SC2086 # several words
if [ -z "$(missing $terminators $builders)" ]; then
	exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "not installed: $(missing $terminators $builders | xargs); as root, in Debian, this installs them"
	exit 0
fi

# Their services must not start: invoke-rc.d asks this program.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
	trap 'rm -f $policy' EXIT
	trap 'exit 1' HUP INT PIPE TERM
fi

log=$(mktemp)
apt-get update -qq || echo "apt-get update fails; going on with the lists that there are"
install() {
	DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@" >"$log" 2>&1
}
# shellcheck disable=SC2086 # several words
if ! install $(missing $terminators $builders); then
	# One by one, so that one that cannot be had does not keep the others out.
	echo "$terminators$builders" | while read -r packages; do
		[ -z "$packages" ] || install $packages || echo "cannot be had, and is not tested: $packages: $(grep '^E:' "$log" | head -n 1)"
	done
fi
rm -f "$log"
