package mutate_test

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook/internal/mutate"
)

var update = flag.Bool("update", false, "write the goldens")

// TestEachMutantIsOneChange breaks a small package: which mutants there are, and which of
// them its test lets pass.
func TestEachMutantIsOneChange(t *testing.T) {
	for _, target := range []mutate.Target{
		{Name: "counter", Only: []string{"counter.go"}},
		{Name: "query", Only: []string{"query.go"}, SQL: true},
		{Name: "script", Lua: true},
	} {
		t.Run(target.Name, func(t *testing.T) {
			target.Root, target.Dir, target.Test, target.Run = workspace, "internal/mutate/testdata/counter", "./internal/mutate/testdata/counter", "^TestCounter$"
			b, err := mutate.Build(t.Context(), target, func(*mutate.Mutant) bool { return true }, t.TempDir())
			require.NoError(t, err)
			whole, err := b.Run(t.Context(), nil, time.Minute)
			require.NoError(t, err)
			require.False(t, whole.Killed, whole.How)
			require.Equal(t, 3, whole.Cases)

			var lines strings.Builder
			halves := map[int]int{}
			for _, m := range b.Mutants {
				r, err := b.Run(t.Context(), m, time.Minute)
				require.NoError(t, err)
				halves[m.Half()]++
				verdict := "survives"
				if r.Killed {
					verdict = "fails in " + r.Case
					assert.NotEmpty(t, r.How, m.Key)
				}
				lines.WriteString(m.Key + ": " + verdict + "\n")
			}
			assert.Positive(t, min(halves[1], halves[2]), "a half is empty")
			file := "testdata/" + target.Name + ".golden"
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(lines.String()), 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.Equal(t, string(want), lines.String(), "run with -update after a change of the mutants")
		})
	}
}
