package seal

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// secret gives 64 digits that differ by n.
func secret(n int) string { return fmt.Sprintf("%064x", 1<<20+n) }

// ring makes Keys of an id line and these key lines.
func ring(t testing.TB, keys ...int) *Keys {
	t.Helper()
	text := "id " + secret(0) + "\n"
	for _, n := range keys {
		text += "key " + secret(n) + "\n"
	}
	k, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestRoundTrip(t *testing.T) {
	k := ring(t, 1)
	for _, n := range []int{1, 2, 180, 2048, 32768} {
		id, session := []byte("an ID"), bytes.Repeat([]byte{0xa5}, n)
		sealed := k.Append([]byte("before"), id, session)
		if len(sealed) != len("before")+n+Overhead {
			t.Errorf("%d bytes: got %d sealed, want %d more", n, len(sealed), Overhead)
		}
		if n > 8 && bytes.Contains(sealed, session[:8]) {
			t.Errorf("%d bytes: the sealed value has some of the session", n)
		}
		opened, err := k.AppendOpened([]byte("x"), id, sealed[len("before"):])
		if err != nil || string(opened[:1]) != "x" || !bytes.Equal(opened[1:], session) {
			t.Errorf("%d bytes: got %d bytes and %v, want the session", n, len(opened), err)
		}
	}
}

// TestValuesOpenUnderTheirOwnIDAlone: a store that gives one session for another is found out.
func TestValuesOpenUnderTheirOwnIDAlone(t *testing.T) {
	k := ring(t, 1)
	sealed := k.Append(nil, []byte("one"), []byte("session"))
	for _, id := range []string{"", "on", "one\x00", "two"} {
		if got, err := k.AppendOpened(nil, []byte(id), sealed); err != ErrForged || len(got) > 0 {
			t.Errorf("ID %q: got %q, %v, want %v", id, got, err, ErrForged)
		}
	}
}

// TestEveryChangedByteIsFoundOut changes each bit, and cuts everywhere.
func TestEveryChangedByteIsFoundOut(t *testing.T) {
	k := ring(t, 1, 2)
	id := []byte("one")
	sealed := k.Append(nil, id, []byte("session"))
	for i := range sealed {
		for bit := range 8 {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1 << bit
			if got, err := k.AppendOpened(nil, id, changed); err == nil || len(got) > 0 {
				t.Fatalf("byte %d, bit %d: got %q, want an error", i, bit, got)
			}
		}
		if got, err := k.AppendOpened(nil, id, sealed[:i]); err == nil || len(got) > 0 {
			t.Fatalf("the first %d bytes: got %q, want an error", i, got)
		}
	}
}

// TestRotation: the first key seals, and all of them open.
func TestRotation(t *testing.T) {
	id, session := []byte("one"), []byte("session")
	old, both, swapped, late := ring(t, 1), ring(t, 1, 2), ring(t, 2, 1), ring(t, 2)
	for _, row := range []struct {
		name       string
		from, to   *Keys
		want       error
		sealedWith string
	}{
		{"a second key opens", swapped, both, nil, late.Sealing()},
		{"the first still seals", both, old, nil, old.Sealing()},
		{"the old one still opens", old, swapped, nil, old.Sealing()},
		{"the old one is gone", old, late, ErrUnknownKey, old.Sealing()},
		{"the new one is not there yet", swapped, old, ErrUnknownKey, late.Sealing()},
	} {
		sealed := row.from.Append(nil, id, session)
		if row.from.Sealing() != row.sealedWith {
			t.Errorf("%s: got key %s in force, want %s", row.name, row.from.Sealing(), row.sealedWith)
		}
		if _, err := row.to.AppendOpened(nil, id, sealed); err != row.want {
			t.Errorf("%s: got %v, want %v", row.name, err, row.want)
		}
	}
	if a, b := both.AppendName(nil, id), late.AppendName(nil, id); !bytes.Equal(a, b) || len(a) != NameLen {
		t.Errorf("got the names %x and %x, want the same: they depend on the id line alone", a, b)
	}
}

// TestNamesTellNothing: not the ID, and equal names are equal IDs.
func TestNamesTellNothing(t *testing.T) {
	k := ring(t, 1)
	a, b := k.AppendName(nil, []byte("one")), k.AppendName(nil, []byte("two"))
	if bytes.Equal(a, b) || bytes.Contains(a, []byte("one")) {
		t.Errorf("got the names %x and %x", a, b)
	}
	other, err := Parse([]byte("id " + secret(7) + "\nkey " + secret(1)))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(a, other.AppendName(nil, []byte("one"))) {
		t.Error("got the same name with another id line, want another")
	}
}

func TestParse(t *testing.T) {
	id, key := "id "+secret(0)+"\n", "key "+secret(1)+"\n"
	many := id
	for n := range maxKeys + 1 {
		many += "key " + secret(n+1) + "\n"
	}
	for _, row := range []struct {
		name, text string
		want       error
		line       string
	}{
		{"least", id + key, nil, ""},
		{"comments and spaces", "# site\n\n  " + id + " key  " + secret(1) + "  \n# end", nil, ""},
		{"without the last newline", id + "key " + secret(1), nil, ""},
		{"upper case", id + "key " + strings.ToUpper(secret(0xabc)), nil, ""},
		{"empty", "", errNoID, ""},
		{"no id", key, errNoID, ""},
		{"no key", id, errNoKey, ""},
		{"two ids", id + "id " + secret(5) + "\n" + key, errTwoIDs, "line 2"},
		{"the same key twice", id + key + key, errTwice, "line 3"},
		{"the id as a key", id + "key " + secret(0), errTwice, "line 2"},
		{"too many keys", many, errTooMany, "line 18"},
		{"short", id + "key 1234", errLine, "line 2"},
		{"no digits", id + "key " + strings.Repeat("g", 64), errLine, "line 2"},
		{"another word", id + "seal " + secret(1), errLine, "line 2"},
		{"a word alone", "id", errLine, "line 1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := Parse([]byte(row.text))
			if !errors.Is(err, row.want) || (err != nil && !strings.HasPrefix(err.Error(), row.line)) {
				t.Errorf("got %v, want %v in %q", err, row.want, row.line)
			}
			if err != nil && (strings.Contains(err.Error(), secret(1)[:16]) || strings.Contains(err.Error(), "ggg")) {
				t.Errorf("the error has a part of a key: %v", err)
			}
		})
	}
}

// FuzzOpen: any value is refused or opens to what was sealed, and nothing panics.
func FuzzOpen(f *testing.F) {
	k := ring(f, 1, 2)
	id := []byte("one")
	f.Add(id, k.Append(nil, id, []byte("session")))
	f.Add(id, ring(f, 2).Append(nil, id, []byte("s")))
	f.Add([]byte("two"), k.Append(nil, id, []byte("session")))
	f.Add(id, []byte{version})
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, id, value []byte) {
		opened, err := k.AppendOpened([]byte("x"), id, value)
		if opened[0] != 'x' || (err != nil && len(opened) != 1) {
			t.Fatalf("got %q, %v", opened, err)
		}
		if err == nil && len(opened)-1 != len(value)-Overhead {
			t.Fatalf("got %d bytes of %d", len(opened)-1, len(value))
		}
	})
}
