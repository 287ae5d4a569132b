package webhook

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files under testdata")

// The golden files are the bodies themselves, broken after each "&".
func TestGoldenPayloads(t *testing.T) {
	for _, typ := range EventTypes() {
		for _, f := range []Format{Format2013, FormatCurrent} {
			name := string(typ) + "." + string(f)
			t.Run(name, func(t *testing.T) {
				e := Sample(typ)
				body, err := encode(e, e.meta(), e.meta().Lists[0], f)
				require.NoError(t, err)
				golden(t, filepath.Join("testdata", "payload", name+".txt"), strings.ReplaceAll(string(body), "&", "&\n")+"\n")

				back, err := decode(body)
				require.NoError(t, err)
				assert.Equal(t, e, back)
			})
		}
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

func BenchmarkEncode(b *testing.B) {
	for _, typ := range []EventType{TypeSubscribe, TypeOpen} {
		b.Run(string(typ), func(b *testing.B) {
			e := Sample(typ)
			m := e.meta()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := encode(e, m, "12", Format2013); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkValidate(b *testing.B) {
	e := Sample(TypeOpen)
	b.ReportAllocs()
	for b.Loop() {
		if err := validate(e, 256<<10); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	e := Sample(TypeOpen)
	body, err := encode(e, e.meta(), "12", Format2013)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decode(body); err != nil {
			b.Fatal(err)
		}
	}
}
