package restart

import (
	"strings"
	"testing"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// ask connects, asks and leaves. The answer must be one status byte.
func ask(at kit.Endpoint, request []byte) (codec.Status, error) {
	conn, err := kit.Connect(at)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	m, err := conn.Do(request)
	if err != nil {
		return 0, err
	}
	return codec.ParseStatus(m)
}

// mustName holds that the text has each of the words.
func mustName(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("got %q, want it to name %q", text, word)
		}
	}
}

// mustNotName holds that the text has none of the words.
func mustNotName(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if strings.Contains(text, word) {
			t.Errorf("got %q, want it not to name %q", text, word)
		}
	}
}

// contains reports whether the text has one of the words.
func contains(text string, words ...string) bool {
	for _, word := range words {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}
