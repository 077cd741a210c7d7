package terminators

import (
	"path/filepath"
	"slices"

	"distcache/internal/test/kit"
)

// kind is a kind of terminator.
type kind struct {
	name     string
	recipe   string // in contrib/terminators
	frame    string // in testdata
	programs []string
	files    []string
	needRoot bool
	forks    bool // a process for each client, instead of workers that live on
	start    func(k *kind, h *host)
	flags    []string // of dc_client
	options  []string // of openssl s_client
	says     string   // by the client, after the handshake
	hears    string   // and the client hears at least this
	versions []string // whose sessions the other host resumes
	never    []string // whose sessions it does not
	hasty    string   // why a busy machine may make it miss a session; "": it never does
}

const (
	asks       = "GET / HTTP/1.0\r\nHost: www.example.net\r\n\r\n"
	answers    = "HTTP/1."
	background = "it stores in the background, and the client may be at the other host before"
	// socacheDC is where make test-apache leaves the module.
	socacheDC = "../../../contrib/apache/build/mod_socache_dc.so"
)

var (
	both  = []string{"tls1_2", "tls1_3"}
	only2 = []string{"tls1_2"}
	only3 = []string{"tls1_3"}
)

// terminators are all that speak HTTP or FTP. FreeRADIUS is in radius_test.go.
var terminators = []*kind{
	{
		name: "Apache mod_socache_memcache", recipe: "apache-memcache.conf", frame: "apache.conf", programs: []string{"apache2"},
		files: []string{"/usr/lib/apache2/modules/mod_socache_memcache.so"},
		start: startApache, says: asks, hears: answers, versions: both,
	},
	{
		name: "Apache mod_socache_dc", recipe: "apache-dc.conf", frame: "apache.conf", programs: []string{"apache2"},
		files: []string{socacheDC}, flags: []string{"-minexpiry", "300000"},
		start: startApache, says: asks, hears: answers, versions: both,
	},
	{
		name: "stunnel", recipe: "stunnel.conf", frame: "stunnel.conf", programs: []string{"stunnel4"},
		start: startWith("stunnel4"), says: asks, hears: answers, versions: both, hasty: "it waits for an answer for 4 to 8 ms",
	},
	{
		name: "nghttpx", recipe: "nghttpx.conf", frame: "nghttpx.conf", programs: []string{"nghttpx"},
		start: startNghttpx, says: asks, hears: answers, versions: only2, never: only3, hasty: background,
	},
	{
		name: "h2o", recipe: "h2o.conf", frame: "h2o.conf", programs: []string{"h2o"},
		start: startWith("h2o", "-c"), says: asks, hears: answers, versions: both, hasty: background,
	},
	{
		name: "nginx with Lua", recipe: "nginx.conf", frame: "nginx.conf", programs: []string{"nginx"},
		files: []string{"/usr/lib/nginx/modules/ngx_http_lua_module.so", "/usr/share/lua/5.1/resty/core.lua", "/usr/lib/x86_64-linux-gnu/lua/5.1/socket/unix.so"},
		start: startWith("nginx", "-c"), says: asks, hears: answers, versions: only2, never: only3,
	},
	{
		name: "ProFTPD", recipe: "proftpd.conf", frame: "proftpd.conf", programs: []string{"proftpd"},
		files: []string{"/usr/lib/proftpd/mod_tls_memcache.so"}, needRoot: true, forks: true, flags: []string{"-remove", "ignore"},
		start: startWith("proftpd", "-n", "-c"), options: []string{"-starttls", "ftp"}, says: "QUIT\r\n", hears: "221 ", versions: only2,
	},
	{
		name: "Go", start: startGo, says: asks, hears: answers, versions: both,
	},
}

// startWith starts a program whose last argument is the path of its configuration.
func startWith(program string, args ...string) func(*kind, *host) {
	return func(k *kind, h *host) { h.start(program, nil, append(args, h.configure(k))...) }
}

func startApache(k *kind, h *host) {
	if slices.Contains(k.files, socacheDC) {
		module, err := filepath.Abs(socacheDC)
		if err != nil {
			h.t.Fatal(err)
		}
		h.SocacheDC = module
	}
	h.start("apache2", nil, "-f", h.configure(k), "-D", "FOREGROUND")
}

func startNghttpx(k *kind, h *host) { h.start("nghttpx", nil, "--conf="+h.configure(k)) }

// startGo starts examples/tlsserver, which takes everything from flags.
func startGo(_ *kind, h *host) {
	key := filepath.Join(h.Dir, "site.key")
	h.write(key, make([]byte, 32), 0o600)
	h.start(kit.Tool("tlsserver"), nil, "-listen", h.At, "-cache", "UNIX:"+h.socket, "-key", key, "-cert", h.Cert, "-certkey", h.Key)
}

// configure writes the configuration, and returns its path.
func (h *host) configure(k *kind) string {
	return kit.WriteFile(h.t, k.frame, []byte(h.configuration(k.frame, []string{k.recipe})), 0o644)
}
