package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// logged gives what fn logs. Tests that use it are not parallel.
func logged(t *testing.T, fn func()) string {
	t.Helper()
	var text bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&text, nil)))
	defer slog.SetDefault(before)
	fn()
	return text.String()
}

// TestBadCertificateKeepsTheList: the log says so.
func TestBadCertificateKeepsTheList(t *testing.T) {
	files := []string{"-tlscert", "/nowhere/cert", "-tlskey", "/nowhere/key", "-tlsca", "/nowhere/ca", "-server", "TLS:a:1", "-server"}
	c := config{}
	if _, err := c.parse(append(files, "TLS:b:1")); err != nil {
		t.Fatal(err)
	}
	next, err := c.reread(append(files, "TLS:c:1"))
	if err != nil {
		t.Fatal(err)
	}
	got := logged(t, func() {
		if next.Reload() {
			t.Error("got certificates that are not there in force")
		}
	})
	if !strings.Contains(got, "the old list of -server stays in force") || joined(c.inForce.get()) != "TLS:a:1, TLS:b:1" {
		t.Errorf("got the list %s and the log %s", joined(c.inForce.get()), got)
	}
}
