package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
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
