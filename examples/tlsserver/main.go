// Command tlsserver is an HTTPS server that shares its TLS sessions with others through
// distcache: package client/tlscache in use. It answers each request with whether the session was
// resumed.
//
//	head -c 32 /dev/urandom > site.key      # the same file for both servers
//	tlsserver -listen 127.0.0.1:8441 -cache UNIX:/tmp/scache -key site.key -cert cert.pem -certkey key.pem
//	tlsserver -listen 127.0.0.1:8442 -cache UNIX:/tmp/scache -key site.key -cert cert.pem -certkey key.pem
//
// Ask one, then the other, with the session of the first:
//
//	openssl s_client -connect 127.0.0.1:8441 -sess_out session.pem <<< $'GET / HTTP/1.0\n'
//	openssl s_client -connect 127.0.0.1:8442 -sess_in session.pem <<< $'GET / HTTP/1.0\n'
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"distcache/client"
	"distcache/client/tlscache"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8443", "where to listen: host:port")
	cache := flag.String("cache", "UNIX:/tmp/scache", "address of dc_client")
	timeout := flag.Duration("timeout", 300*time.Millisecond, "how long an operation of the cache may take")
	key := flag.String("key", "", "file with the secret of the site: 32 random bytes")
	cert := flag.String("cert", "cert.pem", "file with the certificate")
	certKey := flag.String("certkey", "key.pem", "file with the key of the certificate")
	single := flag.Bool("single-use", false, "let each ticket work once")
	flag.Parse()
	tickets, err := newTickets(*cache, *timeout, *key)
	if err != nil {
		log.Fatal(err)
	}
	tickets.SingleUse = *single
	log.Fatal(serve(*listen, *cert, *certKey, tickets))
}

func newTickets(address string, timeout time.Duration, keyFile string) (*tlscache.Tickets, error) {
	cache, err := client.Open(address, client.Options{Timeout: timeout, Persistent: true, Retry: true})
	if err != nil {
		return nil, err
	}
	var keys []tlscache.Key
	if keyFile != "" {
		secret, err := os.ReadFile(keyFile)
		if err != nil {
			return nil, err
		}
		if len(secret) != len(tlscache.Key{}) {
			return nil, fmt.Errorf("-key %s: got %d bytes, want %d random ones", keyFile, len(secret), len(tlscache.Key{}))
		}
		keys = append(keys, tlscache.Key(secret))
	}
	tickets := tlscache.New(cache, keys...)
	tickets.OnError = func(err error) { log.Print(err) }
	return tickets, nil
}

func serve(at, cert, key string, tickets *tlscache.Tickets) error {
	certificate, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return err
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}}
	tickets.Configure(config)
	listener, err := net.Listen("tcp", at)
	if err != nil {
		return err
	}
	log.Printf("ready on IP:%s", listener.Addr())
	server := &http.Server{
		TLSConfig:         config,
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "resumed: %v\n", r.TLS.DidResume)
		}),
	}
	return server.ServeTLS(listener, "", "")
}
