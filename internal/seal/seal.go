// Package seal encrypts small values at rest and makes keyed digests of them.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// Box seals values with AES-256-GCM under a key derived from a secret.
type Box struct {
	aead   cipher.AEAD
	digest []byte
}

// NewBox derives the keys from secret with HKDF-SHA256 (RFC 5869). It refuses a
// secret shorter than 16 bytes.
func NewBox(secret []byte) (*Box, error) {
	if len(secret) < 16 {
		return nil, errors.New("the secret must have at least 16 bytes")
	}
	key, err := hkdf.Key(sha256.New, secret, nil, "spotpool seal", 32)
	if err != nil {
		return nil, err
	}
	digest, err := hkdf.Key(sha256.New, secret, nil, "spotpool digest", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &Box{aead: aead, digest: digest}, nil
}

// Seal returns plain encrypted, as text.
func (b *Box) Seal(plain []byte) string {
	nonce := make([]byte, b.aead.NonceSize(), b.aead.NonceSize()+len(plain)+b.aead.Overhead())
	rand.Read(nonce) // never fails, see crypto/rand
	return base64.RawStdEncoding.EncodeToString(b.aead.Seal(nonce, nonce, plain, nil))
}

// Open returns what Seal was given. It fails on text that was altered or sealed under another secret.
func (b *Box) Open(sealed string) ([]byte, error) {
	raw, err := base64.RawStdEncoding.DecodeString(sealed)
	if err != nil || len(raw) < b.aead.NonceSize() {
		return nil, errors.New("not a sealed value")
	}
	n := b.aead.NonceSize()
	plain, err := b.aead.Open(nil, raw[:n], raw[n:], nil)
	if err != nil {
		return nil, fmt.Errorf("sealed under another secret, or altered: %w", err)
	}
	return plain, nil
}

// Digest returns a keyed digest of text (HMAC-SHA256, the first 16 bytes), for
// values that must be compared but not be read.
func (b *Box) Digest(text string) string {
	m := hmac.New(sha256.New, b.digest)
	m.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:16])
}
