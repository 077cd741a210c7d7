package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"distcache/internal/credentials"
	"distcache/internal/daemon/logging"
	"distcache/internal/daemon/options"
	"distcache/internal/store/redis"
	"distcache/internal/store/seal"
)

// maxSecret is more than a file of -seal or -storepassword has, in bytes. A larger one is refused.
const maxSecret = 64 << 10

// remoteStore is what the files of the flags -store… hold, and the store that uses it.
type remoteStore struct {
	flags     storeFlags
	net       *redis.Net
	store     *redis.Store
	log       *storeLog
	loop      redis.Loop
	reloading sync.Mutex // one SIGHUP after the other
}

// secrets is what the files hold.
type secrets struct {
	keys     *seal.Keys  // nil: no -seal
	password *string     // nil: no -storepassword
	tls      *tls.Config // nil: not rediss
	warnings []string
}

// load reads the files. Its errors name the flag and the file, and hold nothing of their content.
func (f *storeFlags) load() (s secrets, err error) {
	if f.seal != "" {
		content, err := readSecret("seal", f.seal)
		if err != nil {
			return s, err
		}
		s.keys, err = seal.Parse(content)
		clear(content)
		if err != nil {
			return s, fmt.Errorf("-seal %s: %w", f.seal, err)
		}
	}
	if f.password != "" {
		content, err := readSecret("storepassword", f.password)
		if err != nil {
			return s, err
		}
		password := string(bytes.TrimRight(content, "\r\n"))
		clear(content)
		if password == "" {
			return s, fmt.Errorf("-storepassword %s: %w", f.password, errors.New("the file is empty"))
		}
		s.password = &password
	}
	if f.location.TLS {
		s.tls = &tls.Config{MinVersion: tls.VersionTLS12}
		if f.ca != "" {
			s.tls.RootCAs, s.warnings, err = credentials.Pool("storeca", f.ca)
		}
	}
	return s, err
}

func readSecret(flag, path string) ([]byte, error) {
	content, err := options.ReadFile(path, maxSecret, options.OwnerOnly)
	if err != nil {
		return nil, fmt.Errorf("-%s %s: %w", flag, path, err)
	}
	return content, nil
}

// openRemote makes the store. It asks nobody before its Start.
func openRemote(f storeFlags, l redis.Loop) (*remoteStore, error) {
	s, err := f.load()
	if err != nil {
		return nil, err
	}
	for _, w := range s.warnings {
		slog.Warn(w)
	}
	r := &remoteStore{flags: f, log: &storeLog{location: f.location.String()}, loop: l}
	config := redis.Config{Prefix: f.prefix, Timeout: f.timeout, Seal: s.keys}
	r.net = redis.NewNet(f.location, config, l)
	r.net.SetTLS(s.tls)
	if s.password != nil {
		r.net.SetPassword(*s.password)
	}
	r.store = redis.New(config, l, r.net, r.log)
	if s.keys != nil {
		r.log.sealed(s.keys)
	}
	return r, nil
}

// hasFiles reports whether there is anything to read anew.
func (r *remoteStore) hasFiles() bool {
	return r.flags.seal != "" || r.flags.password != "" || r.flags.ca != ""
}

// reload reads the files anew, at a SIGHUP. It returns at once: a disk may be slow, and the loop has the requests to serve.
func (r *remoteStore) reload() {
	go func() {
		r.reloading.Lock()
		defer r.reloading.Unlock()
		s, err := r.flags.load()
		_ = r.loop.Post(func() { r.apply(s, err) }) // an error means that the loop has ended
	}()
}

// apply puts what was read in force. When a file was bad, all of the old ones stay.
func (r *remoteStore) apply(s secrets, err error) {
	if err != nil {
		slog.Error("SIGHUP: the old keys and password of the store stay in force", "reason", err)
		return
	}
	for _, w := range s.warnings {
		slog.Warn(w)
	}
	if s.keys != nil {
		r.store.Reseal(s.keys)
	}
	r.net.SetTLS(s.tls)
	if s.password != nil {
		r.net.SetPassword(*s.password)
	}
	attributes := []any{"store", r.log.location}
	if s.keys != nil {
		attributes = append(attributes, "sealing_key", s.keys.Sealing(), "keys", s.keys.Len())
	}
	slog.Info("SIGHUP: keys and password of the store read again", attributes...)
}

// storeLog logs how a store in another process does: a line for each change.
type storeLog struct {
	location  string
	notOpened logging.Limiter
}

// StoreFound logs which servers there are.
func (l *storeLog) StoreFound(mode redis.Mode, addresses []string, _ time.Duration) {
	slog.Info("found the servers of the store", "store", l.location, "mode", mode.String(), "servers", strings.Join(addresses, ", "))
}

// StoreNotFound logs that no server told which ones there are.
func (l *storeLog) StoreNotFound(k redis.Kind, reason string, _ time.Duration) {
	slog.Warn("cannot find the servers of the store: requests are answered DISCONNECTED until they are found", "store", l.location, "error", k.String(), "reason", reason)
}

// StoreChanged logs that a server got into trouble, or out of it.
func (l *storeLog) StoreChanged(c redis.Change, _ time.Duration) {
	about := []any{"server", c.Address}
	switch {
	case c.Is != redis.OK && c.Writes:
		slog.Warn("store server refuses ADDs: they are answered DISCONNECTED", append(about, "error", c.Is.String(), "reason", c.Reason, "hint", hint(c.Is))...)
	case c.Is != redis.OK:
		slog.Warn("store server unavailable: its requests are answered DISCONNECTED", append(about, "error", c.Is.String(), "reason", c.Reason, "hint", hint(c.Is))...)
	case c.Writes:
		slog.Info("store server takes ADDs again", append(about, "after", c.For.Round(time.Millisecond), "failed", c.Failed)...)
	default:
		slog.Info("store server is back", append(about, "after", c.For.Round(time.Millisecond), "failed", c.Failed)...)
	}
}

// hint is the likely cause or the remedy.
func hint(k redis.Kind) string {
	switch k {
	case redis.Late:
		return "see whether the server hangs or is overloaded; or raise -storetimeout above the round trip"
	case redis.Connection:
		return "see whether the server runs and is reachable; dc_server keeps trying"
	case redis.Loading:
		return "it has started and is loading its data"
	case redis.ClusterDown:
		return "a master is gone and no replica has taken its place yet, or slots have no server"
	case redis.Moved:
		return "the servers of the cluster disagree about the slots"
	case redis.ReadOnly:
		return "it is a replica: name the master, or all servers, or the sentinels in -store"
	case redis.Memory:
		return "raise maxmemory, or set maxmemory-policy volatile-ttl"
	case redis.NotWritable:
		return "see min-replicas-to-write and stop-writes-on-bgsave-error"
	case redis.Auth:
		return "see the user in -store, -storepassword, and the server's ACL"
	case redis.Protocol:
		return "see whether the address is that of a Redis server"
	}
	return "see the server's log"
}

// NotOpened logs sessions that were sealed otherwise, or changed.
func (l *storeLog) NotOpened(reason error, now time.Duration) {
	if n, ok := l.notOpened.Allow(now); ok {
		slog.Warn("cannot decrypt a session from the store: it counts as a miss", "store", l.location, "reason", reason, logging.Suppressed(n))
	}
}

// sealed logs with what is sealed.
func (l *storeLog) sealed(k *seal.Keys) {
	slog.Info("sessions in the store are sealed, and their IDs hashed", "sealing_key", k.Sealing(), "keys", k.Len())
}
