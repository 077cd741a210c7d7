package client_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"os"
	"time"

	"distcache/client"
)

// idLen is the length of the session IDs, in bytes. They travel in the clear, and one that is
// known gives access to its session, so they are random and long.
const idLen = 32

// shareSessions makes servers with that configuration keep their sessions in the cache:
// what a client gets for a ticket is only the ID. It can resume at each server that shares
// the cache, until ttl is over or the session is removed.
//
// The cache then holds the secrets of the sessions. Config.EncryptTicket and DecryptTicket,
// with keys that all servers have (SetSessionTicketKeys), can seal them.
func shareSessions(config *tls.Config, cache *client.Client, ttl time.Duration) {
	config.WrapSession = func(_ tls.ConnectionState, session *tls.SessionState) ([]byte, error) {
		data, err := session.Bytes()
		if err != nil {
			return nil, err
		}
		id := make([]byte, idLen)
		_, _ = rand.Read(id) // never fails
		if err := cache.Add(context.Background(), id, data, ttl); err != nil {
			// An error returned here would end the connection. Without it the client finds
			// no session later and does a full handshake.
			log.Printf("TLS session not stored: %v", err)
		}
		return id, nil
	}
	config.UnwrapSession = func(id []byte, _ tls.ConnectionState) (*tls.SessionState, error) {
		if len(id) != idLen {
			return nil, nil // TLS 1.2 clients without a session offer an empty one
		}
		data, err := cache.Get(context.Background(), id)
		if err != nil {
			return nil, nil // a full handshake
		}
		session, err := tls.ParseSessionState(data)
		if err != nil {
			return nil, nil // stored by another version of crypto/tls
		}
		return session, nil
	}
}

// Two TLS servers share their sessions: one that began at the first is resumed at the
// second, in TLS 1.3 and in TLS 1.2.
func Example_tls() {
	// The handshake waits for the cache: the timeout is short.
	cache, err := client.Open(os.Getenv("DISTCACHE_AGENT"), client.Options{Timeout: time.Second})
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	certificate, roots := newCertificate()
	first, second := serve(certificate, cache), serve(certificate, cache)
	defer first.Close()
	defer second.Close()

	for _, version := range []uint16{tls.VersionTLS13, tls.VersionTLS12} {
		browser := &tls.Config{
			RootCAs:            roots,
			ServerName:         "www.example.net",
			ClientSessionCache: tls.NewLRUClientSessionCache(1),
			MaxVersion:         version,
		}
		fmt.Println(tls.VersionName(version))
		fmt.Println("  first server: resumed", visit(first.Addr(), browser))
		fmt.Println("  second server: resumed", visit(second.Addr(), browser))
	}
	// Output:
	// TLS 1.3
	//   first server: resumed false
	//   second server: resumed true
	// TLS 1.2
	//   first server: resumed false
	//   second server: resumed true
}

// serve starts a TLS server that greets.
func serve(certificate tls.Certificate, cache *client.Client) net.Listener {
	config := &tls.Config{Certificates: []tls.Certificate{certificate}}
	shareSessions(config, cache, 5*time.Minute)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(connection, "welcome")
			_ = connection.Close()
		}
	}()
	return listener
}

// visit reports whether the session was resumed.
func visit(at net.Addr, browser *tls.Config) bool {
	connection, err := tls.Dial(at.Network(), at.String(), browser)
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	// The ticket of TLS 1.3 comes after the handshake, with the first bytes.
	if _, err := io.ReadAll(connection); err != nil {
		log.Fatal(err)
	}
	return connection.ConnectionState().DidResume
}

// newCertificate makes a certificate that signs itself.
func newCertificate() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"www.example.net"},
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		log.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
