package sealed

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func key(n byte) []byte { return bytes.Repeat([]byte{n}, KeySize) }

func TestASealedDocumentOpensWithItsKeyAndItsData(t *testing.T) {
	sealed, err := Seal(key(1), []byte("plain"), []byte("data"))
	require.NoError(t, err)
	assert.NotContains(t, string(sealed), "plain")
	again, err := Seal(key(1), []byte("plain"), []byte("data"))
	require.NoError(t, err)
	assert.NotEqual(t, sealed, again, "each has a salt of its own")

	for name, keys := range map[string][][]byte{
		"the key alone": {key(1)}, "after another": {key(2), key(1)}, "before another": {key(1), key(2)},
	} {
		plain, ok := Open(keys, sealed, []byte("data"))
		require.True(t, ok, name)
		assert.Equal(t, "plain", string(plain), name)
	}
	for name, open := range map[string]struct {
		key, sealed, data []byte
	}{
		"another key":     {key(2), sealed, []byte("data")},
		"a short key":     {key(1)[:16], sealed, []byte("data")},
		"other data":      {key(1), sealed, []byte("date")},
		"no data":         {key(1), sealed, nil},
		"another version": {key(1), append([]byte{2}, sealed[1:]...), []byte("data")},
		"nothing":         {key(1), nil, []byte("data")},
		"cut off":         {key(1), sealed[:len(sealed)-1], []byte("data")},
		"the head alone":  {key(1), sealed[:1+saltSize], []byte("data")},
	} {
		_, ok := Open([][]byte{open.key}, open.sealed, open.data)
		assert.False(t, ok, name)
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		_, ok := Open([][]byte{key(1)}, changed, []byte("data"))
		assert.False(t, ok, "byte %d was changed", i)
	}
	_, ok := Open[[]byte](nil, sealed, []byte("data"))
	assert.False(t, ok)
}

func TestAnEmptyDocumentIsSealedToo(t *testing.T) {
	sealed, err := Seal(key(1), nil, nil)
	require.NoError(t, err)
	plain, ok := Open([][]byte{key(1)}, sealed, nil)
	assert.True(t, ok)
	assert.Empty(t, plain)
}

// A document of the first version must open for as long as databases hold one.
func TestAStoredDocumentStillOpens(t *testing.T) {
	sealed, err := hex.DecodeString("01ebede4e6f7083335de09b8ab1c7cd919015d6fb84a0388379cbc9045075a9d8bad961f4bd3e0fb51e7c1031c1234110acf83a8fc9482b3fe37f55d")
	require.NoError(t, err)
	plain, ok := Open([][]byte{key(7)}, sealed, []byte("data"))
	require.True(t, ok)
	assert.Equal(t, "stored long ago", string(plain))
}
