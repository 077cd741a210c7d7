package tlscache

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
)

// Key is the secret of a site: 32 random bytes that its servers share. Nobody else may have it. Make one
// with “head -c 32 /dev/urandom”.
type Key [32]byte

// Lengths in bytes.
const (
	ticketLen  = 32
	idLen      = 32 // half of what a session ID may have
	sealKeyLen = 32 // AES-256
)

// What HKDF derives: the name of the service is appended.
const (
	idInfo  = "distcache tlscache 1 id "
	keyInfo = "distcache tlscache 1 key "
)

// ErrSealed is what OnError gets when the cache gives a value that no key opens: the site has
// servers with other keys, or somebody else writes to the cache.
var ErrSealed = errors.New("the session in the cache does not open with any of the keys")

// idOf is the ID under which the session of a ticket is in the cache. It does not depend on the
// key of the site, so that while keys are replaced one question is enough.
func idOf(ticket []byte, name string) ([]byte, error) {
	return hkdf.Key(sha256.New, ticket, nil, idInfo+name, idLen)
}

// sealer is what seals the session of a ticket. A ticket is new for each session, so its key seals
// one value.
func sealer(ticket []byte, key Key, name string) (cipher.AEAD, error) {
	secret, err := hkdf.Key(sha256.New, ticket, key[:], keyInfo+name, sealKeyLen)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func seal(ticket []byte, key Key, name string, state []byte) ([]byte, error) {
	aead, err := sealer(ticket, key, name)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, state, nil), nil
}

// open tries the keys. Its error is ErrSealed, except where the machine lacks a cipher.
func open(ticket []byte, keys []Key, name string, value []byte) ([]byte, error) {
	for _, key := range keys {
		aead, err := sealer(ticket, key, name)
		if err != nil {
			return nil, err
		}
		if state, err := aead.Open(nil, nil, value, nil); err == nil {
			return state, nil
		}
	}
	return nil, ErrSealed
}
