package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
)

// The reasons why a value does not open.
var (
	// ErrShort is returned when a value is shorter than any sealed one, or of another version.
	ErrShort = errors.New("the value is not a sealed session")
	// ErrUnknownKey is returned when a value names a key that the Keys do not have.
	ErrUnknownKey = errors.New("the value is sealed with a key that is not in the key file")
	// ErrForged is returned when a value was changed, or sealed for another session ID.
	ErrForged = errors.New("the value was changed, or belongs to another session")
)

// The reasons why a text of keys is refused. They hold nothing of a key.
var (
	errLine    = errors.New(`a line is “id” or “key”, a space, and 64 hexadecimal digits`)
	errTwoIDs  = errors.New("there are two id lines; at most one is accepted")
	errNoID    = errors.New("there is no id line")
	errNoKey   = errors.New("there is no key line")
	errTwice   = errors.New("the same 64 digits are there twice")
	errTooMany = errors.New("there are more than 16 key lines")
)

const (
	// secretLen is the length of what a line of the key file holds, in bytes.
	secretLen = 32
	// keyIDLen is the length of the name that a value has of its key, in bytes.
	keyIDLen = 4
	// maxKeys bounds the keys: more than a rotation ever needs. Further ones are refused.
	maxKeys = 16
)

// What HKDF derives of a secret.
const (
	sealInfo  = "distcache seal 1 value"
	keyIDInfo = "distcache seal 1 key id"
	nameInfo  = "distcache seal 1 name"
)

// Keys seal and open values. They are for one goroutine: Name keeps its state in them.
type Keys struct {
	keys []key // the first one seals
	name hash.Hash
	aad  []byte // scratch
	sum  []byte // scratch
}

// key is one key line.
type key struct {
	id   [keyIDLen]byte
	aead cipher.AEAD
}

// Parse reads the text of a key file: one line “id HEX” and one or more lines “key HEX”, of 64 digits each. Empty lines and
// lines that begin with # are skipped. Errors name the line and hold nothing of its content.
func Parse(text []byte) (*Keys, error) {
	k := &Keys{}
	seen := map[[sha256.Size]byte]bool{} // hashes: secrets are not kept
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if err := k.take(line, seen); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	switch {
	case k.name == nil:
		return nil, errNoID
	case len(k.keys) == 0:
		return nil, errNoKey
	}
	return k, nil
}

// take reads one line.
func (k *Keys) take(line []byte, seen map[[sha256.Size]byte]bool) error {
	what, digits, _ := bytes.Cut(line, []byte(" "))
	digits = bytes.TrimSpace(digits)
	var secret [secretLen]byte
	defer clear(secret[:])
	if len(digits) != hex.EncodedLen(secretLen) {
		return errLine
	}
	if _, err := hex.Decode(secret[:], digits); err != nil {
		return errLine // the error of hex quotes what it read
	}
	hashed := sha256.Sum256(secret[:])
	if seen[hashed] {
		return errTwice
	}
	seen[hashed] = true
	switch string(what) {
	case "id":
		return k.setName(secret[:])
	case "key":
		return k.add(secret[:])
	}
	return errLine
}

func (k *Keys) setName(secret []byte) error {
	if k.name != nil {
		return errTwoIDs
	}
	derived, err := hkdf.Key(sha256.New, secret, nil, nameInfo, sha256.Size)
	if err != nil {
		return err
	}
	k.name = hmac.New(sha256.New, derived)
	return nil
}

func (k *Keys) add(secret []byte) error {
	if len(k.keys) == maxKeys {
		return errTooMany
	}
	id, err := hkdf.Key(sha256.New, secret, nil, keyIDInfo, keyIDLen)
	if err != nil {
		return err
	}
	derived, err := hkdf.Key(sha256.New, secret, nil, sealInfo, 32)
	if err != nil {
		return err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return err
	}
	k.keys = append(k.keys, key{id: [keyIDLen]byte(id), aead: aead})
	return nil
}

// Len is how many key lines there were.
func (k *Keys) Len() int { return len(k.keys) }

// Sealing is the name of the key that seals, in hexadecimal: it tells an operator which one is in force, and nothing of it.
func (k *Keys) Sealing() string { return hex.EncodeToString(k.keys[0].id[:]) }

const (
	// version is the first byte of each sealed value.
	version = 1
	// headLen is what comes before the nonce, in bytes.
	headLen = 1 + keyIDLen
	// Overhead is how much longer a sealed value is than the session in it, in bytes.
	Overhead = headLen + 12 + 16
	// NameLen is the length of a name, in bytes.
	NameLen = sha256.Size
)

// AppendName appends the name under which the store knows a session ID.
func (k *Keys) AppendName(b, id []byte) []byte {
	k.name.Reset()
	k.name.Write(id)
	k.sum = k.name.Sum(k.sum[:0])
	return append(b, k.sum...)
}

// Append appends the session, sealed for its ID with the first key. b and session must not overlap.
func (k *Keys) Append(b, id, session []byte) []byte {
	first := &k.keys[0]
	b = append(append(b, version), first.id[:]...)
	return first.aead.Seal(b, nil, session, k.about(&first.id, id))
}

// AppendOpened appends the session that was sealed for an ID. Its error is ErrShort, ErrUnknownKey or ErrForged; b is
// then as it was. b and value must not overlap.
func (k *Keys) AppendOpened(b, id, value []byte) ([]byte, error) {
	if len(value) < Overhead || value[0] != version {
		return b, ErrShort
	}
	keyID := [keyIDLen]byte(value[1:headLen])
	for i := range k.keys {
		if k.keys[i].id != keyID {
			continue
		}
		opened, err := k.keys[i].aead.Open(b, nil, value[headLen:], k.about(&keyID, id))
		if err != nil {
			return b, ErrForged
		}
		return opened, nil
	}
	return b, ErrUnknownKey
}

// about is what is authenticated beside the session.
func (k *Keys) about(keyID *[keyIDLen]byte, id []byte) []byte {
	k.aad = append(append(append(k.aad[:0], version), keyID[:]...), id...)
	return k.aad
}
