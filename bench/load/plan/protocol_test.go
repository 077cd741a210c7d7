package plan

import (
	"errors"
	"strings"
	"testing"

	"distcache/codec"
)

func TestParseAnswer(t *testing.T) {
	long := make([]byte, 5000)
	tests := map[string]struct {
		op      codec.Op
		payload []byte
		want    AnswerKind
	}{
		"ADD stored":              {codec.OpAdd, []byte{0}, Yes},
		"ADD there already":       {codec.OpAdd, []byte{101}, No},
		"ADD NOTOK":               {codec.OpAdd, []byte{1}, Nonsense},
		"ADD corrupt":             {codec.OpAdd, []byte{100}, Nonsense},
		"ADD timeout":             {codec.OpAdd, []byte{102}, Nonsense},
		"ADD disconnected":        {codec.OpAdd, []byte{2}, Unavailable},
		"ADD of two bytes":        {codec.OpAdd, []byte{0, 0}, Nonsense},
		"GET hit":                 {codec.OpGet, []byte{1, 2}, Yes},
		"GET hit of three frames": {codec.OpGet, long, Yes},
		"GET miss":                {codec.OpGet, []byte{1}, No},
		"GET disconnected":        {codec.OpGet, []byte{2}, Unavailable},
		"GET OK":                  {codec.OpGet, []byte{0}, Nonsense},
		"GET of the reference":    {codec.OpGet, nil, Unavailable},
		"REMOVE OK":               {codec.OpRemove, []byte{0}, Yes},
		"REMOVE NOTOK":            {codec.OpRemove, []byte{1}, No},
		"REMOVE there already":    {codec.OpRemove, []byte{101}, Nonsense},
		"HAVE OK":                 {codec.OpHave, []byte{0}, Yes},
		"HAVE NOTOK":              {codec.OpHave, []byte{1}, No},
		"HAVE disconnected":       {codec.OpHave, []byte{2}, Unavailable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := Distcache()
			asked := Asked{Op: test.op, UID: 77}
			wire := codec.AppendMessage(nil, codec.Response, 77, test.op, test.payload)
			a, n, err := d.ParseAnswer(append(wire, 1, 2, 3), asked)
			if err != nil || n != len(wire) || a.Asked != asked || a.Kind != test.want || string(a.Data) != string(test.payload) {
				t.Errorf("got %+v of %d bytes and error %v, want %v of %d", a, n, err, test.want, len(wire))
			}
			for cut := range wire {
				if _, _, err := d.ParseAnswer(wire[:cut], asked); !errors.Is(err, codec.ErrShort) {
					t.Fatalf("first %d bytes: got %v, want %v", cut, err, codec.ErrShort)
				}
			}
		})
	}
}

func TestDescribe(t *testing.T) {
	d := Distcache()
	two := codec.AppendMessage(nil, codec.Response, 0x1234, codec.OpGet, make([]byte, 2050))
	tests := map[string]struct {
		wire  []byte
		wants []string
	}{
		"a status":       {codec.AppendStatus(nil, 7, codec.OpHave, codec.StatusNotOK), []string{"request_uid 0x00000007", "(HAVE)", "status NOTOK"}},
		"two frames":     {two, []string{"    0  ", " 2062  ", "complete 0 data_len 2048", "complete 1 data_len 2"}},
		"a cut frame":    {two[:100], []string{"(86 of them here)"}},
		"a cut header":   {two[:9], []string{"9 bytes, the beginning of a header"}},
		"a wrong header": {[]byte("HTTP/1.1 400 Bad Request"), []string{"proto_level 0x48545450", "corrupt proto_level"}},
		"nothing":        {nil, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(d.Describe(test.wire, codec.Response), "\n")
			for _, want := range test.wants {
				if !strings.Contains(got, want) {
					t.Errorf("got %q, want %q in it", got, want)
				}
			}
			if len(test.wants) == 0 && got != "" {
				t.Errorf("got %q, want nothing", got)
			}
		})
	}
}
