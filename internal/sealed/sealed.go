// Package sealed encrypts short documents so that they can be stored where they
// must not be read: AES-256-GCM under a key that HKDF-SHA256 derives for each
// document from the key of the app and a random salt. A key of its own for each
// document takes away the limit of how often random nonces may be drawn under
// one key.
package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
)

// KeySize is the length of a key in bytes.
const KeySize = 32

// A sealed document is the version, the salt, and then the nonce, the
// ciphertext and the tag of AES-256-GCM.
const (
	version  = 1
	saltSize = 16
)

// Seal encrypts plain with key. The additional data is authenticated and not
// stored: Open needs the same, so a sealed document cannot be moved to a place
// with other data.
func Seal(key, plain, additional []byte) ([]byte, error) {
	sealed := make([]byte, 1+saltSize, 1+saltSize+len(plain)+64)
	sealed[0] = version
	_, _ = rand.Read(sealed[1:]) // it never fails
	aead, err := derive(key, sealed[1:])
	if err != nil {
		return nil, err
	}
	return aead.Seal(sealed, nil, plain, additional), nil
}

// Open decrypts a sealed document with the first of keys that fits. It reports
// false if none does, if sealed is of a version that it does not know, or if
// sealed or additional was changed.
func Open[Key ~[]byte](keys []Key, sealed, additional []byte) (plain []byte, ok bool) {
	if len(sealed) <= 1+saltSize || sealed[0] != version {
		return nil, false
	}
	salt, box := sealed[1:1+saltSize], sealed[1+saltSize:]
	for _, key := range keys {
		aead, err := derive(key, salt)
		if err != nil {
			continue
		}
		if plain, err = aead.Open(nil, nil, box, additional); err == nil {
			return plain, true
		}
	}
	return nil, false
}

// derive returns the cipher of the key that is derived from key and salt.
func derive(key, salt []byte) (cipher.AEAD, error) {
	derived, err := hkdf.Key(sha256.New, key, salt, "listhook webhook", KeySize)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
