# Sourced by what runs inside the Debian of test.sh.
export DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin
socket=UNIX:/run/distcache/scache

# try WHAT COMMAND...: the command must succeed.
try() {
	local what=$1
	shift
	if "$@" >/tmp/said 2>&1; then echo "ok   $what"; else echo "FAIL $what: $*: $(tail -n 15 /tmp/said)"; fi
}
# await SECONDS COMMAND...: the command must succeed within that time.
await() {
	local limit=$(($(date +%s) + $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt "$limit" ] || return 1
		sleep 0.1
	done
}
show() { systemctl show -P "$2" "distcache-$1.service"; }
has() { [[ $(show "$1" "$2") == *"$3"* ]]; }
differs() { [ "$(show "$1" "$2")" != "$3" ]; }
# logged UNIT TEXT [SINCE]: the journal has it.
logged() { journalctl -q -u "distcache-$1" ${3:+--since "$3"} | grep -qF -- "$2"; }
ping() { dc_test -ping -connect "$1"; }
