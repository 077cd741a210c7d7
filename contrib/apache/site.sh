# Sourced by test.sh and bench.sh after start.sh: a site of several httpds that share one dc_client and dc_server.
# Set before: directory (temporary), DAEMONS, build (with mod_socache_dc.so).

httpd=${HTTPD:-/usr/sbin/apache2}
modules=$(apxs -q LIBEXECDIR)

# identity prints the user of httpd's children: httpd refuses to serve as root.
identity() {
	[ "$(id -u)" != 0 ] || printf 'User www-data\\nGroup www-data'
}

# make_certificate: for all httpds, in a directory that their users can read.
make_certificate() {
	chmod 755 "$directory"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost \
		-keyout "$directory/key" -out "$directory/cert" 2>/dev/null
}

# start_server: dc_server; its pid is in $server.
start_server() {
	start dc_server ' ready ' "$DAEMONS/dc_server" -listen "UNIX:$directory/server"
	server=$started
}

# start_client_at SOCKET LOG FLAGS...: dc_client on $directory/SOCKET, open to httpd's group alone; its pid is in $started.
start_client_at() {
	socket=$1 log=$2
	shift 2
	[ "$(id -u)" != 0 ] || set -- -sockgroup www-data -sockperms 660 "$@"
	start "$log" ' ready ' "$DAEMONS/dc_client" -listen "UNIX:$directory/$socket" -server "UNIX:$directory/server" -retry 200 "$@"
}

# start_client FLAGS...: the same on $directory/s; its pid is in $client.
start_client() {
	start_client_at s dc_client "$@"
	client=$started
}

# write_conf NAME PORT CACHE
write_conf() {
	mkdir -p "$directory/$1"
	sed -e "s|@ROOT@|$directory/$1|" -e "s|@PORT@|$2|" -e "s|@CACHE@|$3|" -e "s|@MODULES@|$modules|" \
		-e "s|@SOCACHE_DC@|$build/mod_socache_dc.so|" -e "s|@IDENTITY@|$(identity)|" \
		-e "s|@CERTIFICATE@|$directory/cert|" -e "s|@KEY@|$directory/key|" httpd.conf.in >"$directory/$1/httpd.conf"
}

# start_httpd NAME PORT CACHE: it stays in the foreground, so its pid is that of the program; in $started.
start_httpd() {
	write_conf "$@"
	"$httpd" -d "$directory/$1" -f "$directory/$1/httpd.conf" -D FOREGROUND >>"$directory/$1.log" 2>&1 &
	started=$!
	pids="$pids $started"
	wait_for "resuming normal operations" "$directory/$1.log" "$started"
}

# request TLS PORT OPTION...: one connection with s_client; prints New or Reused, or nothing when it failed.
request() {
	tls=$1 port=$2
	shift 2
	printf 'GET / HTTP/1.0\r\nHost: localhost\r\n\r\n' |
		timeout 20 openssl s_client -connect "127.0.0.1:$port" -servername localhost "-$tls" -ign_eof "$@" 2>/dev/null |
		sed -n 's/^\(New\|Reused\), TLSv1.*/\1/p' | head -n 1
}
