package terminators

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
)

// recipes has what each terminator is told about the cache.
const recipes = "../../../contrib/terminators"

// recipe reads one of them.
func recipe(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(recipes, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimRight(string(text), "\n")
}

// configuration is the whole configuration of one terminator: the frame in testdata with the recipes,
// whose addresses become those of the host.
func (h *host) configuration(frame string, names []string) string {
	h.t.Helper()
	memcachedHost, memcachedPort := split(h.memcachedIP)
	sessiondHost, sessiondPort := split(h.sessiond)
	addresses := strings.NewReplacer(
		"/run/distcache/memcached.sock", h.memcachedUNIX,
		"/run/distcache/scache", h.socket,
		"host: 127.0.0.1", "host: "+memcachedHost, "port: 11211", "port: "+memcachedPort,
		"127.0.0.1,11211", memcachedHost+","+memcachedPort,
		"127.0.0.1:8444", sessiondHost+":"+sessiondPort,
	)
	for _, name := range names {
		h.Recipes = append(h.Recipes, addresses.Replace(recipe(h.t, name)))
	}
	parsed, err := template.ParseFiles(filepath.Join("testdata", frame))
	if err != nil {
		h.t.Fatal(err)
	}
	var text strings.Builder
	if err := parsed.Execute(&text, h); err != nil {
		h.t.Fatal(err)
	}
	return text.String()
}

// TestDocumentQuotesRecipes: docs/TERMINATORS.md shows the files that were tried, word for word.
func TestDocumentQuotesRecipes(t *testing.T) {
	document, err := os.ReadFile("../../../docs/TERMINATORS.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(recipes, "*.conf"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d recipes and error %v, want some", len(files), err)
	}
	used := map[string]bool{"": true, "freeradius-cache_tls.conf": true, "freeradius-tls-cache.conf": true, "freeradius-eap.conf": true}
	for _, one := range terminators {
		used[one.recipe] = true
	}
	for _, path := range files {
		name := filepath.Base(path)
		quoted := "    " + strings.ReplaceAll(recipe(t, name), "\n", "\n    ") + "\n"
		if !strings.Contains(string(document), quoted) {
			t.Errorf("docs/TERMINATORS.md lacks this block of contrib/terminators/%s, or has another form of it:\n%s", name, quoted)
		}
		if !used[name] {
			t.Errorf("got contrib/terminators/%s, which no test tries, want none", name)
		}
	}
}
