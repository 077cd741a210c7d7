package redis

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"unsafe"

	"distcache/codec"
)

// Mode says what kind of servers a Location leads to.
type Mode uint8

// The modes.
const (
	Auto     Mode = iota // ask the servers: one instance, or a cluster
	Single               // one instance
	Cluster              // a cluster
	Sentinel             // ask sentinels for the master
)

// String gives the name, as ?mode= has it.
func (m Mode) String() string { return [...]string{"auto", "single", "cluster", "sentinel"}[m] }

const (
	// maxHosts bounds the hosts of a Location. More are refused.
	maxHosts = 64
	// defaultPort is that of Redis, and sentinelPort that of a sentinel.
	defaultPort, sentinelPort = "6379", "26379"
	// maxDatabase is the largest number of a database that makes sense to anybody.
	maxDatabase = 1 << 16
)

// Location is where the store is, as the flag -store has it.
type Location struct {
	TLS      bool
	User     string
	Password string
	Hosts    []string // host:port; of a cluster or of sentinels, any of them
	Database int
	Mode     Mode
	Master   string // with Sentinel: the name of the master
}

var errScheme = errors.New("must be memory, or begin with redis://, rediss://, valkey:// or valkeys://")

// ParseLocation reads redis://[user:password@]host[:port][,host[:port]…][/database][?mode=…&master=…]. Errors do not quote
// the text: it may hold a password.
func ParseLocation(text string) (*Location, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	l := &Location{TLS: scheme == "rediss" || scheme == "valkeys"}
	if !ok || !l.TLS && scheme != "redis" && scheme != "valkey" {
		return nil, errScheme
	}
	rest, query, _ := strings.Cut(rest, "?")
	if err := l.parseQuery(query); err != nil {
		return nil, err
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		if err := l.parseUser(rest[:at]); err != nil {
			return nil, err
		}
		rest = rest[at+1:]
	}
	hosts, database, found := strings.Cut(rest, "/")
	if found && database != "" {
		n, err := strconv.ParseUint(database, 10, 31)
		if err != nil || n > maxDatabase {
			return nil, fmt.Errorf("the database after / is not a number from 0 to %d", maxDatabase)
		}
		l.Database = int(n)
	}
	if err := l.parseHosts(hosts); err != nil {
		return nil, err
	}
	if l.Database != 0 && l.Mode == Cluster {
		return nil, errors.New("a cluster has only database 0")
	}
	return l, nil
}

func (l *Location) parseQuery(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("write the parameters after ? as name=value, joined by &, and % as %25")
	}
	for name, all := range values {
		value := all[len(all)-1]
		switch {
		case name == "master" && value != "":
			l.Master = value
		case name == "mode" && value == "single":
			l.Mode = Single
		case name == "mode" && value == "cluster":
			l.Mode = Cluster
		case name == "mode" && value == "sentinel":
			l.Mode = Sentinel
		default:
			return errors.New("unknown parameter or value after ?: want mode=single, mode=cluster, mode=sentinel or master=name")
		}
	}
	switch {
	case l.Master != "" && l.Mode == Auto:
		l.Mode = Sentinel
	case l.Master != "" && l.Mode != Sentinel:
		return errors.New("master= is for sentinels: give it alone, or with mode=sentinel")
	case l.Master == "" && l.Mode == Sentinel:
		return errors.New("mode=sentinel needs master=name")
	}
	return nil
}

func (l *Location) parseUser(text string) error {
	user, password, _ := strings.Cut(text, ":")
	var err error
	if l.User, err = url.PathUnescape(user); err == nil {
		l.Password, err = url.PathUnescape(password)
	}
	if err != nil {
		return errors.New("the user or the password has a % without two hexadecimal digits after it: write % as %25")
	}
	return nil
}

func (l *Location) parseHosts(text string) error {
	port := defaultPort
	if l.Mode == Sentinel {
		port = sentinelPort
	}
	for host := range strings.SplitSeq(text, ",") {
		at, err := hostPort(host, port)
		if err != nil {
			return err
		}
		l.Hosts = append(l.Hosts, at)
	}
	if len(l.Hosts) > maxHosts {
		return fmt.Errorf("%d hosts are too many: name at most %d", len(l.Hosts), maxHosts)
	}
	return nil
}

// hostPort completes host, host:port, [v6] or [v6]:port.
func hostPort(text, port string) (string, error) {
	host := text
	if i := strings.LastIndexByte(text, ':'); i >= 0 && !strings.HasSuffix(text, "]") {
		host, port = text[:i], text[i+1:]
	}
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	} else if strings.Contains(host, ":") {
		return "", errors.New("an IPv6 address must be in brackets: redis://[fd00::1]:6379")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", errors.New("a port is not a number from 1 to 65535")
	}
	if host == "" || strings.ContainsAny(host, " /?#@") {
		return "", errors.New("a host is missing, or is no host name")
	}
	return net.JoinHostPort(host, port), nil
}

// String gives the location without the password.
func (l *Location) String() string {
	b := strings.Builder{}
	b.WriteString("redis")
	if l.TLS {
		b.WriteString("s")
	}
	b.WriteString("://")
	if l.User != "" || l.Password != "" {
		b.WriteString(url.PathEscape(l.User))
		if l.Password != "" {
			b.WriteString(":…")
		}
		b.WriteString("@")
	}
	b.WriteString(strings.Join(l.Hosts, ","))
	fmt.Fprintf(&b, "/%d", l.Database)
	switch {
	case l.Master != "":
		b.WriteString("?master=" + url.QueryEscape(l.Master))
	case l.Mode != Auto:
		b.WriteString("?mode=" + l.Mode.String())
	}
	return b.String()
}

// secureBytes is what a connection over TLS takes of the heap, beside its buffers.
const secureBytes = 40 << 10

// Heap is what a Store at l takes of the heap at most, in bytes: requests, batches with room to grow, replies when all
// sessions are of the largest size, and the connections to as many servers as there may be.
func (l *Location) Heap() int64 {
	wide, narrow := wideServers, maxNodes-wideServers
	if l.Mode == Single || l.Mode == Sentinel {
		wide, narrow = 1, 0
	}
	wires := int64(connections*wide + 1) // and one that asks for the servers
	heap := 2*maxOpen*int64(unsafe.Sizeof(request{})) + 2*maxBytes + 2*maxSpare*batchBytes + maxUnderWay*codec.MaxDataLen
	heap += wires*2*bufferBytes + int64(connections*narrow)*2*narrowBytes
	if l.TLS {
		heap += (wires + int64(connections*narrow)) * secureBytes
	}
	return heap
}
