package signature

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The example of the Standard Webhooks specification.
const (
	vectorID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorTime      = 1614265330
	vectorBody      = `{"test": 2432232314}`
	vectorKey       = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

func signer(t *testing.T, keys ...string) *Signer {
	s := new(Signer)
	for _, text := range keys {
		add(t, s, text, time.Time{})
	}
	return s
}

func add(t *testing.T, s *Signer, text string, until time.Time) {
	key, err := ParseKey(text)
	require.NoError(t, err)
	s.Add(key, until)
}

func TestTheStandardsExample(t *testing.T) {
	at := time.Unix(vectorTime, 999_999_999)
	assert.Equal(t, vectorSignature, signer(t, vectorKey).Header(vectorID, at, []byte(vectorBody)))
	assert.True(t, signer(t, vectorKey).Verify(vectorSignature, vectorID, at, []byte(vectorBody)))
}

func TestEachKeySignsUntilItsTime(t *testing.T) {
	until := time.Unix(vectorTime, 0)
	s := signer(t, NewKey())
	add(t, s, vectorKey, until)
	add(t, s, NewKey(), until.Add(time.Hour))
	count := func(at time.Time) int { return len(strings.Fields(s.Header("id", at, nil))) }

	assert.Equal(t, 3, count(until.Add(-time.Nanosecond)))
	assert.Equal(t, 2, count(until))
	assert.Equal(t, 1, count(until.Add(time.Hour)))

	alone := new(Signer)
	add(t, alone, vectorKey, until)
	assert.Empty(t, alone.Header(vectorID, until, []byte(vectorBody)))
	assert.False(t, alone.Verify(vectorSignature, vectorID, until, []byte(vectorBody)))
	assert.Empty(t, new(Signer).Header("id", until, nil))
}

func TestOneOfSeveralSignaturesIsEnough(t *testing.T) {
	at := time.Unix(vectorTime, 0)
	s := signer(t, NewKey(), vectorKey)
	other := signer(t, NewKey()).Header(vectorID, at, []byte(vectorBody))
	for header, want := range map[string]bool{
		vectorSignature:                       true,
		other + " " + vectorSignature:         true,
		vectorSignature + "  " + other:        true,
		"v2,x " + vectorSignature:             true,
		other:                                 false,
		"":                                    false,
		" ":                                   false,
		vectorSignature + "=":                 false,
		vectorSignature[:20]:                  false,
		strings.ToUpper(vectorSignature):      false,
		vectorSignature[len("v1,"):]:          false,
		"v1a," + vectorSignature[len("v1,"):]: false,
	} {
		assert.Equal(t, want, s.Verify(header, vectorID, at, []byte(vectorBody)), header)
	}
	assert.False(t, s.Verify(vectorSignature, "msg_2", at, []byte(vectorBody)))
	assert.False(t, s.Verify(vectorSignature, vectorID, at.Add(time.Second), []byte(vectorBody)))
	assert.False(t, s.Verify(vectorSignature, vectorID, at, []byte(vectorBody+" ")))
	assert.False(t, new(Signer).Verify(vectorSignature, vectorID, at, []byte(vectorBody)))
}

func TestNewKeysAreValidAndDiffer(t *testing.T) {
	a, b := NewKey(), NewKey()
	key, err := ParseKey(a)
	require.NoError(t, err)
	assert.Len(t, key, 32)
	assert.NotEqual(t, a, b)
}

func TestKeysAreTakenAsTheLibrariesOfTheStandardWriteThem(t *testing.T) {
	for n := 24; n <= 64; n++ {
		key := bytes.Repeat([]byte{0xfb, 0xff, 'k'}, 22)[:n] // with both characters that the alphabets differ in
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
			for _, prefix := range []string{"whsec_", ""} {
				got, err := ParseKey(prefix + encoding.EncodeToString(key))
				require.NoError(t, err, "%q %d bytes", prefix, n)
				assert.Equal(t, key, got)
			}
		}
	}
	got, err := ParseKey("whsec_" + strings.Repeat("A", 32) + "kL") // bits after the last byte
	require.NoError(t, err)
	assert.Len(t, got, 25)
}

func TestKeysOutsideTheStandardAreRefusedWithoutBeingTold(t *testing.T) {
	encode := func(n int) string {
		return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", n)))
	}
	for name, test := range map[string]struct {
		key string
		ok  bool
	}{
		"24 bytes":           {encode(24), true},
		"64 bytes":           {encode(64), true},
		"23 bytes":           {encode(23), false},
		"65 bytes":           {encode(65), false},
		"nothing":            {"", false},
		"the prefix alone":   {"whsec_", false},
		"a public key":       {"whpk_" + encode(24)[6:], false},
		"a private key":      {"whsk_" + encode(25)[6:], false},
		"upper case":         {"WHSEC_" + encode(24)[6:], false},
		"the prefix twice":   {"whsec_" + encode(24), false},
		"no base64":          {"whsec_" + strings.Repeat("?", 32), false},
		"too much padding":   {encode(25) + "=", false},
		"too little padding": {strings.TrimSuffix(encode(25), "="), false},
		"padding in it":      {encode(25) + "kkkk", false},
		"one character more": {encode(24) + "k", false},
		"a line's end":       {encode(24) + "\n", false},
		"a line's end in it": {"whsec_" + encode(24)[6:20] + "\r\n" + encode(24)[20:], false},
		"spaces":             {" " + encode(24), false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseKey(test.key)
			if test.ok {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			if n := len(test.key); n > 12 {
				assert.NotContains(t, err.Error(), test.key[n-8:])
			}
		})
	}
}

func TestPrintingASignerShowsNoKey(t *testing.T) {
	s := signer(t, vectorKey)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		text := fmt.Sprintf(verb, s) + fmt.Sprintf(verb, *s)
		assert.NotContains(t, text, vectorKey[6:])
		assert.NotContains(t, text, "49, 242") // the key's bytes, in decimal
		assert.NotContains(t, text, "0x31, 0xf2")
		assert.NotContains(t, text, "49 242")
	}
}
