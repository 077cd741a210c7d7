#!/bin/bash
# Runs inside the Debian of test.sh, as root, under systemd: installs the packages, uses them,
# upgrades them under load, and removes them. Each line is “ok” or “FAIL” and what was tried.
. /try.sh
server=IP:127.0.0.1:9001

# load NAME ADDRESS SECONDS: operations without pause, in the background.
load() { dc_test -connect "$2" -lossy -clients 4 -rate 400 -duration "$3s" -json "/tmp/$1.json" >"/tmp/$1.out" 2>&1 & }
# figure NAME KEY: of the report, which has the totals first.
figure() { sed -n '/"all": {/,$p' "/tmp/$1.json" | sed -n "s/^ *\"$2\": \([0-9]*\).*/\1/p" | head -n 1; }
# never_refused NAME: the load was long enough, each connection was accepted, and each that was
# accepted got an answer. Once for each of the four clients it may lack: on a busy machine a client
# may take longer to ask than a daemon that ends waits for the first request (50 ms). A restart
# that closed the socket would cut off all four each time, in the backlog.
never_refused() {
	local count connect closed
	count=$(figure "$1" count) connect=$(figure "$1" connect) closed=$(figure "$1" closed)
	echo "connect $connect, closed $closed of $count"
	[ "$count" -gt 500 ] && [ "$connect" = 0 ] && [ "$closed" -le 4 ]
}
# keep NAME SECONDS: a load that knows many sessions which the server must have, in the background.
keep() { dc_test -connect "$server" -lossy -clients 4 -rate 400 -sessions 500 -timeout 600 -mix 3:4:1:1 -duration "$2s" -json "/tmp/$1.json" >"/tmp/$1.out" 2>&1 & }
# lost_none NAME: the load found many sessions, and missed none.
lost_none() {
	echo "lost $(figure "$1" lost), found $(figure "$1" hits)"
	[ "$(figure "$1" hits)" -gt 300 ] && [ "$(figure "$1" lost)" = 0 ]
}
socket_id() { systemctl show -P InvocationID "distcache-$1.socket"; }
files() { find / -xdev \( -path /packages -o -path /upgrade -o -path /proc -o -path /sys -o -path /tmp -o -path '/run/systemd/*' \
	-o -path /var/log/journal -o -path /var/lib/dpkg -o -path /var/lib/systemd/timers -o -path '/var/log/dpkg.log' \
	-o -path '/var/cache/debconf' -o -path '/etc/*-' -o -path /results \) -prune -o -name '*distcache*' -print -o -name '*dc_*' -print; }

files | sort >/tmp/files.before
passwd_before=$(md5sum /etc/passwd /etc/group)

# Installation, and the start by the default configuration.
try "install" dpkg -i /packages/*.deb
for daemon in client server; do
	try "$daemon: enabled" systemctl is-enabled "distcache-$daemon.service" "distcache-$daemon.socket"
	try "$daemon: active" systemctl is-active "distcache-$daemon.service" "distcache-$daemon.socket"
	try "$daemon: user" has "$daemon" User distcache
done
try "socket is for the group" test "$(stat -c %U:%G:%a /run/distcache/scache)" = root:distcache:660
try "client reaches the server" await 10 ping "$socket"
try "the server answers" ping "$server"
try "dc_test through both" dc_test -connect "$socket" -sessions 20 -ops 2000
try "client: status" await 5 has client StatusText "Connected to dc_server at IP:127.0.0.1:9001. Clients: "
try "server: status" await 5 has server StatusText "Serving sessions from memory. Sessions: "
try "no other user may connect" bash -c "! setpriv --reuid=65534 --regid=65534 --clear-groups dc_test -ping -connect $socket"
try "a member of the group may" setpriv --reuid=65534 --regid=65534 --groups="$(getent group distcache | cut -d: -f3)" dc_test -ping -connect "$socket"
for page in dc_client.1 dc_server.1 dc_snoop.1 dc_test.1 distcache.7; do
	try "man page $page" test -s "/usr/share/man/man${page##*.}/$page.gz"
done
try "version" bash -c "dc_client -version | grep -q '^dc_client 1'"

# A door for terminators.
memcached=/run/distcache-client/memcached.sock
sed -i "s|^DC_CLIENT_OPTIONS=\"|&-memcached UNIX:$memcached -sockperms 660 |" /etc/default/distcache-client
try "memcached: restart" systemctl restart distcache-client
try "memcached: socket is for the group" test "$(stat -c %U:%G:%a $memcached)" = distcache:distcache:660
try "memcached: status" await 10 has client StatusText "Connected to dc_server at IP:127.0.0.1:9001. Clients: "
try "memcached: served" perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(shift) or die; $s->print("version\r\n"); exit(readline($s) !~ /^VERSION /)' $memcached
sed -i "s|-memcached UNIX:$memcached -sockperms 660 ||" /etc/default/distcache-client
try "without memcached: restart" systemctl restart distcache-client
try "without memcached: client reaches the server" await 10 ping "$socket"

# Reload.
for daemon in client server; do
	pid=$(show "$daemon" MainPID)
	try "$daemon: reload" systemctl reload "distcache-$daemon"
	try "$daemon: reload is logged" await 5 logged "$daemon" SIGHUP
	try "$daemon: the same process after it, active" test "$(show "$daemon" MainPID) $(show "$daemon" ActiveState)" = "$pid active"
done

# Restarts under load.
load restarts "$socket" 8
for _ in 1 2 3 4 5; do
	sleep 1
	systemctl restart distcache-client.service
done
wait
try "client: 5 restarts under load, none refused" never_refused restarts
load restarts "$server" 8
for _ in 1 2 3 4 5; do
	sleep 1
	systemctl restart distcache-server.service
done
wait
try "server: 5 restarts under load, none refused" never_refused restarts
try "server: without -keep they lose sessions" test "$(figure restarts lost)" -gt 0
try "client finds the server again" await 10 ping "$socket"

# A killed and a hung process are replaced.
for daemon in client server; do
	pid=$(show "$daemon" MainPID)
	kill -9 "$pid"
	try "$daemon: kill -9, a new process" await 10 differs "$daemon" MainPID "$pid"
	try "$daemon: active after kill -9" await 10 has "$daemon" SubState running
done
try "both serve after kill -9" await 10 ping "$socket"
mkdir -p /run/systemd/system/distcache-{client,server}.service.d
printf '[Service]\nWatchdogSec=2s\n' | tee /run/systemd/system/distcache-{client,server}.service.d/test.conf >/dev/null
systemctl daemon-reload
systemctl restart distcache-client distcache-server
sleep 5
for daemon in client server; do
	try "$daemon: fed the watchdog for 5 s" test "$(show "$daemon" NRestarts)" = 0
	pid=$(show "$daemon" MainPID)
	kill -STOP "$pid"
	try "$daemon: hung, a new process" await 20 differs "$daemon" MainPID "$pid"
	try "$daemon: hung, the watchdog says so" await 5 logged "$daemon" "Watchdog timeout"
	try "$daemon: active after the hang" await 10 has "$daemon" SubState running
done
try "both serve after the hang" await 10 ping "$socket"
rm -rf /run/systemd/system/distcache-{client,server}.service.d
systemctl daemon-reload

# A wrong command line is told. Then it is mended.
sed -i 's/-server/-sserver/' /etc/default/distcache-client
try "wrong flags: the restart fails" bash -c '! systemctl restart distcache-client.service'
try "wrong flags: the journal names the flag" await 5 logged client "-sserver: there is no such flag"
sed -i 's/-sserver/-server/' /etc/default/distcache-client
try "mended: restart" systemctl restart distcache-client.service
try "mended: serves" await 10 ping "$socket"

# -lock needs LimitMEMLOCK= of the unit, which systemd cannot give where the container may not raise limits.
if [ "$(grep 'Max locked' "/proc/$(show server MainPID)/limits" | awk '{print $4}')" = unlimited ]; then
	sed -i 's/^DC_SERVER_OPTIONS="/&-lock /' /etc/default/distcache-server
	try "-lock: restart" systemctl restart distcache-server
	sed -i 's/-lock //' /etc/default/distcache-server
	systemctl restart distcache-server
else
	echo "skipped: -lock, this container may not raise limits"
fi

# Another address, as the man page says.
mkdir -p /etc/systemd/system/distcache-server.socket.d
printf '[Socket]\nListenStream=\nListenStream=127.0.0.1:9001\nListenStream=127.0.0.2:9002\n' \
	>/etc/systemd/system/distcache-server.socket.d/override.conf
systemctl daemon-reload
try "two addresses: restart of the socket" systemctl restart distcache-server.socket
for at in IP:127.0.0.1:9001 IP:127.0.0.2:9002; do
	try "two addresses: $at" await 10 ping "$at"
done
rm -r /etc/systemd/system/distcache-server.socket.d
systemctl daemon-reload
systemctl restart distcache-server.socket distcache-server.service

# With -keep systemd the sessions outlive the process: systemd has their memory until the service is stopped.
sed -i 's/^DC_SERVER_OPTIONS="/&-keep systemd /' /etc/default/distcache-server
try "-keep: restart" systemctl restart distcache-server.service
try "-keep: systemd has the memory" await 5 has server NFileDescriptorStore 1
keep kept 12
for _ in 1 2 3; do
	sleep 2
	systemctl restart distcache-server.service
done
sleep 2
pid=$(show server MainPID)
kill -9 "$pid"
try "-keep: kill -9, a new process" await 10 differs server MainPID "$pid"
wait
try "-keep: 3 restarts and kill -9 under load, no session lost" lost_none kept
try "-keep: the log tells of an orderly end" await 5 logged server "previous_exit=orderly"
try "-keep: the log tells of the kill" await 5 logged server "previous_exit=killed"
systemctl stop distcache-server.service distcache-server.socket
try "-keep: stopped, the memory is freed" await 5 has server NFileDescriptorStore 0
try "-keep: start" systemctl start distcache-server.socket distcache-server.service
try "-keep: the cache is empty after a stop" await 5 has server StatusText "Sessions: 0 of"

# Upgrade under load.
try "before the upgrade" await 10 ping "$socket"
pids="$(show client MainPID) $(show server MainPID)"
sockets="$(socket_id client) $(socket_id server)"
load client "$socket" 10
load server "$server" 10
keep upgraded 10
sleep 1
try "upgrade of the client" dpkg -i /upgrade/distcache-client_*.deb
try "client: restarted by the upgrade" differs client MainPID "${pids% *}"
sleep 1
try "upgrade of the rest" dpkg -i /upgrade/*.deb
try "server: restarted by the upgrade" differs server MainPID "${pids#* }"
wait
try "client: upgrade under load, none refused" never_refused client
try "server: upgrade under load, none refused" never_refused server
try "-keep: upgrade under load, no session lost" lost_none upgraded
try "the upgrade left the sockets alone" test "$(socket_id client) $(socket_id server)" = "$sockets"
try "after the upgrade" await 10 ping "$socket"
echo '# mine' >>/etc/default/distcache-client

# Removal and purge.
try "remove" dpkg -r distcache-client distcache-server distcache-tools libdistcache-dev libdistcache1
try "removed: no process" bash -c '! pgrep dc_'
try "removed: the admin's settings stay" grep -q '^# mine' /etc/default/distcache-client
try "removed: the directory of the socket is gone" test ! -e /run/distcache
try "purge" dpkg -P distcache-client distcache-server distcache-tools libdistcache-dev libdistcache1
files | sort >/tmp/files.after
try "purged: no file is left" diff /tmp/files.before /tmp/files.after
try "purged: no user is left" test "$(md5sum /etc/passwd /etc/group)" = "$passwd_before"
try "purged: no unit is left" bash -c '! systemctl list-units --all --full | grep distcache | grep -v loaded.failed'
echo "all done"
