package webhook

import (
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

func TestTheStandardsExample(t *testing.T) {
	s, err := newSigner([]Secret{{Key: vectorKey}})
	require.NoError(t, err)
	assert.Equal(t, vectorSignature, s.header(vectorID, time.Unix(vectorTime, 999_999_999), []byte(vectorBody)))
}

func TestEachSecretSignsUntilItsTime(t *testing.T) {
	until := time.Unix(vectorTime, 0)
	old, other, current := Secret{Key: vectorKey, Until: until}, Secret{Key: NewSecret().Key, Until: until.Add(time.Hour)}, NewSecret()
	s, err := newSigner([]Secret{current, old, other})
	require.NoError(t, err)
	count := func(at time.Time) int { return len(strings.Fields(s.header("id", at, nil))) }

	assert.Equal(t, 3, count(until.Add(-time.Nanosecond)))
	assert.Equal(t, 2, count(until))
	assert.Equal(t, 1, count(until.Add(time.Hour)))

	alone, err := newSigner([]Secret{old})
	require.NoError(t, err)
	assert.Empty(t, alone.header(vectorID, until, []byte(vectorBody)))

	none, err := newSigner(nil)
	require.NoError(t, err)
	assert.Empty(t, none.header("id", until, nil))
}

func TestNewSecretsAreValidAndDiffer(t *testing.T) {
	a, b := NewSecret(), NewSecret()
	key, err := a.key()
	require.NoError(t, err)
	assert.Len(t, key, 32)
	assert.NotEqual(t, a.Key, b.Key)
	assert.True(t, a.Until.IsZero())
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
		"25 bytes":           {encode(25), true},
		"64 bytes":           {encode(64), true},
		"23 bytes":           {encode(23), false},
		"65 bytes":           {encode(65), false},
		"nothing":            {"", false},
		"the prefix alone":   {"whsec_", false},
		"no prefix":          {strings.TrimPrefix(encode(24), "whsec_"), false},
		"a prefix of others": {"whpk_" + encode(24), false},
		"upper case":         {"WHSEC_" + encode(24)[6:], false},
		"no base64":          {"whsec_" + strings.Repeat("?", 32), false},
		"base64 for URLs":    {"whsec_" + strings.Repeat("-_", 16), false},
		"padding left out":   {strings.TrimRight(encode(25), "="), false},
		"a line's end":       {encode(24) + "\n", false},
		"a line's end in it": {"whsec_" + encode(24)[6:20] + "\r\n" + encode(24)[20:], false},
		"spaces":             {" " + encode(24), false},
		"stray bits":         {"whsec_" + strings.Repeat("k", 39) + "==", false},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := newSigner([]Secret{NewSecret(), {Key: test.key}})
			if test.ok {
				require.NoError(t, err)
				assert.Len(t, s, 2)
				return
			}
			var bad *InvalidError
			require.ErrorAs(t, err, &bad)
			assert.Equal(t, "Secrets", bad.Field)
			if key := strings.TrimPrefix(test.key, "whsec_"); len(key) > 5 {
				assert.NotContains(t, bad.Error(), key[:5])
			}
		})
	}
}

func TestPrintingASignerShowsNoKey(t *testing.T) {
	s, err := newSigner([]Secret{{Key: vectorKey}})
	require.NoError(t, err)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		text := fmt.Sprintf(verb, s)
		assert.NotContains(t, text, vectorKey[6:])
		assert.NotContains(t, text, "49, 242") // the key's bytes, in decimal
		assert.NotContains(t, text, "0x31, 0xf2")
		assert.NotContains(t, text, "49 242")
	}
}
