// Package readme runs the program that README.md shows: a newcomer copies it
// before anything else.
package readme

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheProgramOfTheReadme(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	require.NoError(t, err)
	found := regexp.MustCompile("(?s)```go\n(package main\n.*?\n)```.*?```\n(.*?)```").FindSubmatch(readme)
	require.NotNil(t, found, "README.md shows a program and then its output")
	program, output := found[1], string(found[2])

	folder := t.TempDir()
	source, binary := filepath.Join(folder, "main.go"), filepath.Join(folder, "app")
	require.NoError(t, os.WriteFile(source, program, 0o600))
	unformatted, err := exec.Command("gofmt", "-l", source).CombinedOutput()
	require.NoError(t, err, "%s", unformatted)
	assert.Empty(t, string(unformatted), "gofmt would change the program")

	built, err := exec.Command("go", "build", "-o", binary, source).CombinedOutput() // in this module
	require.NoError(t, err, "%s", built)
	run := exec.Command(binary)
	run.Dir = folder
	printed, err := run.CombinedOutput()
	require.NoError(t, err, "%s", printed)
	assert.Equal(t, output, string(printed))
}
