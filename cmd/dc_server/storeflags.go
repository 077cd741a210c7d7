package main

import (
	"path/filepath"
	"strings"
	"time"

	"distcache/internal/daemon/options"
	"distcache/internal/store/redis"
)

// inMemory is the default of -store.
const inMemory = "memory"

// storeFlags say where the sessions are, when that is not this process.
type storeFlags struct {
	location *redis.Location // nil: memory
	password string          // a file, or ""
	ca       string          // a file, or ""
	seal     string          // a file, or ""
	prefix   string
	timeout  time.Duration
}

func (f *storeFlags) declare(s *options.Set) {
	s.Func("store", "where", inMemory, "Where sessions are stored: memory, or Redis or Valkey at redis://[user[:password]@]host[:port][,host...][/database] "+
		"(rediss:// for TLS). With ?master=name the hosts are sentinels. Clusters are detected.", func(text string) (err error) {
		f.location = nil
		if text != inMemory {
			f.location, err = redis.ParseLocation(text)
		}
		return err
	})
	s.Secret("store", func(text string) string {
		if l, err := redis.ParseLocation(text); err == nil {
			return l.String()
		}
		return text
	})
	s.String(&f.password, "storepassword", "file", "", "File with the password for -store; only its owner may have access to it.")
	s.String(&f.ca, "storeca", "file", "", "Certificates of the CAs that sign a rediss:// store's certificate, in PEM (default: those of the system).")
	s.String(&f.prefix, "storeprefix", "text", "distcache:", "Prefix of all keys in -store redis://.")
	s.Millis(&f.timeout, "storetimeout", 150*time.Millisecond, 10*time.Millisecond, 10*time.Second,
		"Longest time to wait for -store redis://. After it, the request is answered DISCONNECTED.")
	s.String(&f.seal, "seal", "file", "", "Encrypt the sessions in -store redis:// and hash their IDs, with the keys in this file; only its owner may have access to it.")
}

// remote reports whether the sessions are in another process.
func (f *storeFlags) remote() bool { return f.location != nil }

// storeNames are the flags that need -store redis://, and memoryNames those that exclude it.
var (
	storeNames  = []string{"storepassword", "storeca", "storeprefix", "storetimeout", "seal"}
	memoryNames = []string{"sessions", "memory", "lock", "keep"}
)

// validate checks the flags against each other. With -daemon paths must be absolute.
func (f *storeFlags) validate(s *options.Set, daemon bool) error {
	names, reason := storeNames, "has no effect: -store is memory"
	if f.remote() {
		names, reason = memoryNames, "has no effect: the sessions are in -store, which has limits of its own"
	}
	for _, name := range names {
		if s.Given(name) {
			return &options.UsageError{Flag: name, Reason: reason}
		}
	}
	if !f.remote() {
		return nil
	}
	for name, path := range map[string]string{"storepassword": f.password, "storeca": f.ca, "seal": f.seal} {
		if daemon && path != "" && !filepath.IsAbs(path) {
			return options.RelativePath(name, path)
		}
	}
	switch l := f.location; {
	case f.ca != "" && !l.TLS:
		return &options.UsageError{Flag: "storeca", Value: f.ca, Reason: "has no effect: -store is not rediss://"}
	case f.password != "" && l.Password != "":
		return &options.UsageError{Flag: "storepassword", Value: f.password, Reason: "-store has a password already: take it out there"}
	case len(f.prefix) > 64 || strings.ContainsAny(f.prefix, "{}"):
		return &options.UsageError{Flag: "storeprefix", Value: f.prefix, Reason: "must be at most 64 bytes without braces, which a cluster reads as the slot"}
	}
	return nil
}

// warnings are about what the flags give away.
func (f *storeFlags) warnings(s *options.Set) (all []string) {
	if !f.remote() {
		return nil
	}
	if f.location.Password != "" && s.OnLine("store") {
		all = append(all, "-store: the password on the command line can be read by every user of this host: use -storepassword, or put -store into the file of -config")
	}
	var open []string // what crosses the network as it is
	if f.seal == "" {
		open = append(open, "sessions")
	}
	if f.password != "" || f.location.Password != "" {
		open = append(open, "the password")
	}
	if len(open) > 0 && !f.location.TLS && !local(f.location.Hosts) {
		all = append(all, "-store "+f.location.String()+": the network carries "+strings.Join(open, " and ")+
			" unencrypted; use rediss://, or a network that you trust")
	}
	return all
}

// local reports whether all hosts are this one.
func local(hosts []string) bool {
	for _, host := range hosts {
		if !strings.HasPrefix(host, "127.") && !strings.HasPrefix(host, "localhost:") && !strings.HasPrefix(host, "[::1]:") {
			return false
		}
	}
	return true
}
