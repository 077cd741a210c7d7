package options

import "testing"

func TestValues(t *testing.T) {
	s, _ := sample()
	if err := s.Parse([]string{"-connect", "IP:h:1", "-daemon", "-retry=007", "-user", "a\nb"}); err != nil {
		t.Fatal(err)
	}
	const want = "" +
		"  -listen    UNIX:/tmp/scache (default)\n" +
		"  -server    IP:h:1 (command line)\n" +
		"  -retry     007 (command line)\n" +
		"  -idle      0 (default)\n" +
		"  -sessions  100000 (default)\n" +
		"  -user      a b (command line)\n" +
		"  -daemon    true (command line)\n" +
		"  -killable  false (default)\n"
	if got := s.Values(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
