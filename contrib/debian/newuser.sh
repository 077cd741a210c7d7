#!/bin/bash
# Runs inside the Debian of test.sh, as root, under systemd. It does what README, docs/APACHE.md and the man pages
# tell a new user to do: install the packages, wire up Apache, see hits on the status page, take dc_server away and
# read what happened.
. /try.sh
page=127.0.0.1:9190

# status: the first thing on the page. figures KEY: lines of dc_test -stats.
status() { curl -s "http://$page/status.json" | grep -o '"status":\[[^]]*\]'; }
shows() { status | grep -qF -- "$1"; }
figure() { curl -s "http://$page/metrics" | sed -n "s/^$1 //p"; }
above() { awk -v n="$(figure "$1")" -v least="$2" 'BEGIN { exit !(n + 0 > least + 0) }'; }
systemd_says() { systemctl status --no-pager distcache-client | grep -qF -- "$1"; }

# handshake TLS OPTION...: New or Reused.
handshake() {
	local tls=$1
	shift
	printf 'GET / HTTP/1.0\r\nHost: www.example.org\r\n\r\n' | timeout 20 openssl s_client -connect 127.0.0.1:443 \
		-servername www.example.org "-$tls" -ign_eof "$@" 2>/dev/null | sed -n 's/^\(New\|Reused\), TLSv1.*/\1/p' | head -n 1
}
is() { [ "$1" = "$2" ] || { echo "got ${1:-no handshake}, want $2"; false; }; }

# README, “Packages”.
try "install" apt-get install -y --no-install-recommends /packages/*.deb
try "the cache answers" await 10 ping "$socket"

# dc_client(1) and /etc/default: -minexpiry for Apache, -metrics for the page.
sed -i 's/^DC_CLIENT_OPTIONS="\(.*\)"/DC_CLIENT_OPTIONS="\1 -minexpiry 300000 -metrics IP:127.0.0.1:9190"/' /etc/default/distcache-client
sed -i 's/^DC_SERVER_OPTIONS="\(.*\)"/DC_SERVER_OPTIONS="\1 -metrics IP:127.0.0.1:9191"/' /etc/default/distcache-server
try "restart with a status page" systemctl restart distcache-client distcache-server
journalctl -q -o cat -u distcache-server -n 20
try "the page is there" await 10 curl -sf "http://$page/"
try "the page: connected" await 10 shows "Connected to dc_server at IP:127.0.0.1:9001"

# docs/APACHE.md, from section 3 on.
(
	cd /tmp && cp /mod_socache_dc.c . && apxs -c -i -n socache_dc mod_socache_dc.c -ldistcache
) >/tmp/apxs.log 2>&1
try "the module builds" test -s /usr/lib/apache2/modules/mod_socache_dc.so
echo 'LoadModule socache_dc_module /usr/lib/apache2/modules/mod_socache_dc.so' >/etc/apache2/mods-available/socache_dc.load
sed -i 's|^\s*SSLSessionCache\s.*|SSLSessionCache dc:UNIX:/run/distcache/scache|; s|^\s*SSLSessionTickets.*|SSLSessionTickets off|' \
	/etc/apache2/mods-available/ssl.conf
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 1 -subj /CN=www.example.org \
	-keyout /etc/ssl/private/site.key -out /etc/ssl/certs/site.pem 2>/dev/null
cat >/etc/apache2/sites-available/site.conf <<'CONF'
<VirtualHost *:443>
	ServerName www.example.org:443
	DocumentRoot /var/www/html
	SSLEngine on
	SSLCertificateFile /etc/ssl/certs/site.pem
	SSLCertificateKeyFile /etc/ssl/private/site.key
</VirtualHost>
CONF
try "a2enmod, a2ensite" bash -c "a2enmod ssl socache_dc && a2ensite site"
usermod -aG distcache www-data
try "apachectl configtest" apachectl configtest
try "apache starts" systemctl restart apache2

for tls in tls1_2 tls1_3; do
	try "$tls: a full handshake" is "$(handshake $tls -sess_out /tmp/$tls)" New
	try "$tls: resumed" is "$(handshake $tls -sess_in /tmp/$tls -sess_out /tmp/$tls.2)" Reused
done
sleep 2
try "a hit is a figure" await 5 above 'distcache_answers_total{front="distcache",op="GET",status="OK"}' 1
try "dc_test -stats shows the hits" bash -c "dc_test -stats IP:$page | grep -q '^answers GET OK'"
try "the page: operations and hits are plotted" await 15 bash -c "curl -s http://$page/status.json | grep -q '\"id\":\"hits\"[^}]*[0-9.]\\]'"
try "the page names no mistake" bash -c "curl -s http://$page/status.json | grep -q '\"mistakes\":\\[\\]'"
try "no operation of mod_socache_dc has failed" bash -c '! grep -E "AH0074[0-9]" /var/log/apache2/error.log'

# The plug of dc_server is pulled.
since=$(date '+%Y-%m-%d %H:%M:%S')
systemctl kill -s KILL distcache-server.service
systemctl stop distcache-server.socket distcache-server.service
try "pulled: no dc_server" bash -c '! pgrep dc_server'
try "pulled: the page says so" await 10 shows "No connection to dc_server at IP:127.0.0.1:9001"
try "pulled: the page says what becomes of requests" shows "Requests are answered DISCONNECTED"
try "pulled: the page has the reason" await 5 shows "connection refused"
try "pulled: the page has the events" bash -c "curl -s http://$page/status.json | grep -o '\"events\":.*' | grep -q 'lost dc_server'"
try "pulled: /readyz" bash -c "! curl -sf http://$page/readyz"
try "pulled: systemctl status" await 5 systemd_says "No connection to dc_server at IP:127.0.0.1:9001"
try "pulled: the journal of dc_client" logged client "lost dc_server" "$since"
try "pulled: the journal has the reason" await 5 logged client "connection refused" "$since"
try "pulled: the journal of dc_server" logged server "status=9/KILL" "$since"
for tls in tls1_2 tls1_3; do
	try "pulled: $tls is served, with a full handshake" is "$(handshake $tls -sess_in /tmp/$tls)" New
done

# And put back.
try "back: start" systemctl start distcache-server.socket distcache-server.service
try "back: the page says so" await 10 shows "Connected to dc_server at IP:127.0.0.1:9001"
try "back: the journal" await 5 logged client "connected to dc_server" "$since"
for tls in tls1_2 tls1_3; do
	try "back: $tls: a full handshake" is "$(handshake $tls -sess_out /tmp/$tls.back)" New
	try "back: $tls: resumed" is "$(handshake $tls -sess_in /tmp/$tls.back)" Reused
done
try "back: the page remembers the last error" shows "Last error"

# Over TLS: the commands of distcache(7), and the examples in /etc/default with other addresses.
mkdir /root/ca
cd /root/ca || exit 1
key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc'
# shellcheck disable=SC2086 # several words
{
	openssl req -x509 $key -days 3650 -subj '/CN=distcache CA' -addext keyUsage=critical,keyCertSign,cRLSign -keyout ca.key -out ca.pem
	pair() {
		openssl req -new $key -subj "/CN=$2" -keyout "$1.key" -out "$1.csr"
		printf 'subjectAltName=DNS:%s\nextendedKeyUsage=%s\n' "$2" "$3" >"$1.ext"
		openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 397 -extfile "$1.ext" -out "$1.pem"
	}
	pair cache cache.example.net serverAuth
	pair host host.example.net clientAuth
} 2>/dev/null
install -m 644 ca.pem cache.pem host.pem /etc/distcache
install -o distcache -m 600 cache.key host.key /etc/distcache
sed -i -e 's/^DC_/#&/' -e '/^#DC_.*TLS:/,/ca.pem"$/s/^#//' -e 's/192.0.2.7/127.0.0.2/' \
	-e 's/TLS:cache.example.net:9001/TLS:127.0.0.2:9001 -tlsname cache.example.net/' /etc/default/distcache-client /etc/default/distcache-server
try "TLS: restart" systemctl restart distcache-server distcache-client
try "TLS: the page says so" await 10 shows "Connected to dc_server at TLS:127.0.0.2:9001"
try "TLS: the cache answers" ping "$socket"
try "TLS: the socket unit serves this host without TLS" ping IP:127.0.0.1:9001
pair host host.example.net clientAuth 2>/dev/null
install -m 644 host.pem /etc/distcache
try "TLS: a certificate without its key is told" bash -c 'systemctl reload distcache-client; journalctl --sync'
try "TLS: the old ones stay" await 5 logged client "the old TLS certificates stay in force" "$since"
install -o distcache -m 600 host.key /etc/distcache
try "TLS: reload" systemctl reload distcache-client
try "TLS: the new ones are read" await 5 logged client "TLS certificates read again" "$since"
try "TLS: the cache answers after it" ping "$socket"

systemctl status --no-pager distcache-client
curl -s "http://$page/status.json" | cut -c1-1500
echo
journalctl -q -o cat -u distcache-client --since "$since"
echo "all done"
