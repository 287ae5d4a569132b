package packed_test

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook/internal/packed"
)

func unpacked(t testing.TB, stored []byte) []byte {
	t.Helper()
	body, err := packed.Unpack(stored)
	require.NoError(t, err)
	return body
}

// goldens are the bodies of each type in each format.
func goldens(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../../testdata/payload/*.*")
	require.NoError(t, err)
	bodies := map[string][]byte{}
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && !strings.HasSuffix(file, ".php") {
			text = bytes.ReplaceAll(text, []byte("\n"), nil)
			if strings.HasSuffix(file, ".json") {
				text = bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("  "), nil), []byte(`": `), []byte(`":`))
			}
			bodies[filepath.Base(file)] = text
		}
	}
	require.Len(t, bodies, 30)
	return bodies
}

func TestBodiesOfAllFormatsAreShorter(t *testing.T) {
	for name, body := range goldens(t) {
		stored := packed.Append([]byte("before"), body)
		require.Equal(t, string(body), string(unpacked(t, stored[len("before"):])), name)
		packedTo := len(stored) - len("before")
		t.Logf("%s: %d of %d bytes", name, packedTo, len(body))
		require.Less(t, packedTo, len(body)*6/10, name)
	}
}

// The dictionary is part of what is stored: this was stored by the version that began to
// pack bodies.
func TestWhatWasPackedBeforeIsRead(t *testing.T) {
	stored, err := hex.DecodeString(before)
	require.NoError(t, err)
	require.Equal(t, string(goldens(t)["open.current.txt"]), string(unpacked(t, stored)))
}

func TestAnyBytesComeBack(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 2, 5, 11, 12, 13, 16, 17, 18, 100, 269, 270, 271, 500, 5000, 63_000, 65_000, 70_000, 300_000} {
		for _, letters := range []int{1, 2, 16, 256} {
			body := make([]byte, n)
			for i := range body {
				body[i] = byte(random.IntN(letters))
			}
			if n > 0 && n%2 == 0 {
				body[0] = 1 // as what is packed begins
			}
			require.True(t, bytes.Equal(body, unpacked(t, packed.Append(nil, body))), "%d bytes of %d letters", n, letters)
		}
	}
}

func FuzzAppend(f *testing.F) {
	for _, body := range goldens(f) {
		f.Add(body)
	}
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, body []byte) {
		require.True(t, bytes.Equal(body, unpacked(t, packed.Append(nil, body))))
	})
}

// What is broken is an error, and never more than 255 times as long.
func FuzzUnpack(f *testing.F) {
	for _, body := range goldens(f) {
		f.Add(packed.Append(nil, body))
	}
	f.Add([]byte{1, 0x1f, 'a', 1, 0, 255, 255, 255, 0, 0})
	f.Fuzz(func(t *testing.T, stored []byte) {
		body, err := packed.Unpack(stored)
		if err == nil && len(body) > 255*len(stored)+1 {
			t.Fatalf("%d bytes of %d", len(body), len(stored))
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	body := goldens(b)["open.current.txt"]
	var dst []byte
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		dst = packed.Append(dst[:0], body)
	}
}

func BenchmarkUnpack(b *testing.B) {
	body := goldens(b)["open.current.txt"]
	stored := packed.Append(nil, body)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		_, _ = packed.Unpack(stored)
	}
}

const before = "0100b1000ed8022f3133d8021a034e020f6202071732670103cc00081300056402707465737425343007000f59020a475465" +
	"73745300095d020b1c00026102883132372e302e302eda020f6a02571037990100d500672b76616c7565ba00087402203135" +
	"2700012200182ba8000924001036240005a10118331202025901283334140000f601003200f8034a616e756172792b6e6577" +
	"736c657474657226000005020026000fb60209183231000ab70248313235301e00099b020296002f353621000607bc027057" +
	"6861742b6973a600432b696e2bb5000fd2021750745f69643d"
