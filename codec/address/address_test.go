package address

import "testing"

func TestIsRelative(t *testing.T) {
	tests := []struct {
		name, text string
		want       bool
	}{
		{"absolute", "UNIX:/tmp/a", false},
		{"relative", "UNIX:a", true},
		{"dot", "UNIX:./a", true},
		{"tcp", "IP:9001", false},
		{"systemd", "systemd", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			addr, err := ParseListen(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := addr.IsRelative(); got != test.want {
				t.Errorf("%s: got %v, want %v", test.text, got, test.want)
			}
		})
	}
}

func TestNames(t *testing.T) {
	tests := []struct{ got, want string }{
		{Unix.String(), "unix"},
		{TCP.String(), "tcp"},
		{Descriptor.String(), "descriptor"},
		{Systemd.String(), "systemd"},
		{Kind(0).String(), "no address"},
		{AnyFamily.String(), "IP"},
		{IPv4.String(), "IPv4"},
		{IPv6.String(), "IPv6"},
		{Address{}.String(), ""},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}
