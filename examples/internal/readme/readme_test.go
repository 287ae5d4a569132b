// Package readme holds the documents to what they show: README.md's program
// runs, and the summary of docs/performance.md repeats figures of that document.
package readme

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
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

func TestTheSummaryOfThePerformanceHasOnlyFiguresOfTheDocument(t *testing.T) {
	document, err := os.ReadFile("../../../docs/performance.md")
	require.NoError(t, err)
	_, summary, ok := strings.Cut(string(document), "## In short\n")
	require.True(t, ok)
	summary, rest, ok := strings.Cut(summary, "\n## ")
	require.True(t, ok)
	figures := regexp.MustCompile(`\d[\d,.]*\d|\d`)
	measured := figures.FindAllString(rest, -1)
	quoted := figures.FindAllString(summary, -1)
	require.NotEmpty(t, quoted)
	for _, figure := range quoted {
		assert.True(t, slices.Contains(measured, figure), "%s is nowhere below", figure)
	}
}
