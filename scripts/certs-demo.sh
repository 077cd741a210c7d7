#!/usr/bin/env bash
# Makes a throw-away CA in a directory, a pair for a server and one for each host, and an empty list of revoked
# certificates. For trials: docs/TLS.md is the recipe for a site.
set -eu
directory=${1:?usage: certs-demo.sh directory [server [host...]]}
server=${2:-localhost}
shift $(($# < 2 ? $# : 2))
[ $# -gt 0 ] || set -- host1 host2
mkdir -p "$directory"
cd "$directory"
umask 077

newkey='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc'

# pair NAME USE: NAME.pem and NAME.key.
pair() {
	openssl req -new $newkey -subj "/CN=$1" -keyout "$1.key" -out "$1.csr" 2>/dev/null
	openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out "$1.pem" -extfile <(
		printf 'subjectAltName=DNS:%s,IP:127.0.0.1\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=%s\n' "$1" "$2") 2>/dev/null
	rm "$1.csr"
}

openssl req -x509 $newkey -days 30 -subj '/CN=distcache demo CA' -addext keyUsage=critical,keyCertSign,cRLSign \
	-keyout ca.key -out ca.pem 2>/dev/null
pair "$server" serverAuth
for host; do
	pair "$host" clientAuth
done
printf '[ca]\ndefault_ca=demo\n[demo]\ndatabase=index.txt\ncrlnumber=crlnumber\ndefault_md=sha256\ndefault_crl_days=30\n' >ca.cnf
: >index.txt
echo 01 >crlnumber
openssl ca -config ca.cnf -cert ca.pem -keyfile ca.key -gencrl -out crl.pem 2>/dev/null
chmod 644 ./*.pem

cat <<END
In $directory are a CA, a pair for the server $server and pairs for $*. Try them:

  bin/dc_server -listen TLS:9001 -tlscert $directory/$server.pem -tlskey $directory/$server.key \\
      -tlsca $directory/ca.pem -tlscrl $directory/crl.pem
  bin/dc_client -listen UNIX:/tmp/scache -server TLS:$server:9001 -tlscert $directory/$1.pem \\
      -tlskey $directory/$1.key -tlsca $directory/ca.pem

Take a host off, then send dc_server a SIGHUP:

  cd $directory
  openssl ca -config ca.cnf -cert ca.pem -keyfile ca.key -revoke $1.pem
  openssl ca -config ca.cnf -cert ca.pem -keyfile ca.key -gencrl -out crl.pem
END
