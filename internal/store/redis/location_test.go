package redis

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseLocation(t *testing.T) {
	for _, row := range []struct {
		text string
		want Location
		as   string // String
	}{
		{"redis://cache", Location{Hosts: []string{"cache:6379"}}, "redis://cache:6379/0"},
		{"valkey://cache/", Location{Hosts: []string{"cache:6379"}}, "redis://cache:6379/0"},
		{"rediss://cache:7000/3", Location{TLS: true, Hosts: []string{"cache:7000"}, Database: 3}, "rediss://cache:7000/3"},
		{"redis://a,b:1,[fd00::1],[fd00::2]:7", Location{Hosts: []string{"a:6379", "b:1", "[fd00::1]:6379", "[fd00::2]:7"}},
			"redis://a:6379,b:1,[fd00::1]:6379,[fd00::2]:7/0"},
		{"redis://:secret@a", Location{Password: "secret", Hosts: []string{"a:6379"}}, "redis://:…@a:6379/0"},
		{"redis://u:p%40%3a@x@a", Location{User: "u", Password: "p@:@x", Hosts: []string{"a:6379"}}, "redis://u:…@a:6379/0"},
		{"redis://u@a", Location{User: "u", Hosts: []string{"a:6379"}}, "redis://u@a:6379/0"},
		{"redis://a?mode=cluster", Location{Mode: Cluster, Hosts: []string{"a:6379"}}, "redis://a:6379/0?mode=cluster"},
		{"redis://a/2?mode=single", Location{Mode: Single, Database: 2, Hosts: []string{"a:6379"}}, "redis://a:6379/2?mode=single"},
		{"redis://a,b?master=main", Location{Mode: Sentinel, Master: "main", Hosts: []string{"a:26379", "b:26379"}},
			"redis://a:26379,b:26379/0?master=main"},
	} {
		got, err := ParseLocation(row.text)
		if err != nil || !reflect.DeepEqual(*got, row.want) {
			t.Errorf("%s: got %+v, %v, want %+v", row.text, got, err, row.want)
			continue
		}
		if got.String() != row.as {
			t.Errorf("%s: got %s, want %s", row.text, got, row.as)
		}
	}
}

// TestBadLocations: each has a reason, which does not hold the password.
func TestBadLocations(t *testing.T) {
	for _, text := range []string{
		"", "memory", "disk://a", "redis:a", "redis://", "redis://,a", "redis://a:", "redis://a:0", "redis://a:65536", "redis://a:x",
		"redis://fd00::1", "redis://a/x", "redis://a/-1", "redis://a/1/2", "redis://a?x=1", "redis://a?mode=many", "redis://a?mode=sentinel",
		"redis://a?mode=cluster&master=m", "redis://a/1?mode=cluster", "redis://a?%", "redis://%:hunter2@a", "redis://u:hunter2%2@a",
		"redis://:hunter2@", "redis://:hunter2@a:hunter2", "redis://:hunter2@a/hunter2", "redis://a b", "redis://" + strings.Repeat("a,", 64) + "a",
	} {
		if got, err := ParseLocation(text); err == nil {
			t.Errorf("%q: got %+v, want an error", text, got)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the error has the password: %v", text, err)
		}
	}
}

func FuzzLocation(f *testing.F) {
	f.Add("redis://u:p@a,b:1/2?mode=single")
	f.Add("rediss://[::1]:6379?master=m")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ParseLocation(text)
		if err != nil {
			return
		}
		shown := *l
		shown.User, shown.Password = "", ""
		again, err := ParseLocation(shown.String())
		if err != nil || !reflect.DeepEqual(*again, shown) {
			t.Fatalf("%q is %q, and that is %+v, %v", text, shown.String(), again, err)
		}
	})
}
