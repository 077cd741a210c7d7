package seal

import "crypto/sha256"

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
