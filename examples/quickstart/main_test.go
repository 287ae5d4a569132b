package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// It is run as a newcomer runs it: what PHP showed of the same event is in the
// golden of the example beside this one.
func TestQuickstart(t *testing.T) {
	golden, err := os.ReadFile(filepath.Join("..", "phpreceiver", "testdata", "post.2013.txt"))
	require.NoError(t, err)
	_, post, ok := strings.Cut(string(golden), "$_POST after subscribe:\n")
	require.True(t, ok)
	post, _, ok = strings.Cut(post, "$_POST after ")
	require.True(t, ok)

	scratch := t.TempDir()
	cmd := exec.Command("go", "run", "./examples/quickstart")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "TMPDIR="+scratch)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)

	assert.Contains(t, string(out), post)
	assert.Contains(t, string(out), "subscribe, delivered\n")
	assert.Regexp(t, `attempt 1: status 200 after \S+: thank you\n`, string(out))
	left, err := os.ReadDir(scratch)
	require.NoError(t, err)
	assert.Empty(t, left, "it leaves nothing behind")
}
