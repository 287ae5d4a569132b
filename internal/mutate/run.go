package mutate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Binary is a test binary that holds the mutants of a target.
type Binary struct {
	Mutants    []*Mutant // in an order that looks random, and is the same each time
	Candidates int       // how many mutants the target has, those included that do not compile

	target Target
	path   string
	dir    string // of the test's package: where the test runs
}

// Build builds a target's test with mutants of it, in an empty folder. It takes those that
// choose picks, of those that compile.
func Build(ctx context.Context, t Target, choose func(*Mutant) bool, folder string) (*Binary, error) {
	c, err := load(t)
	if err != nil {
		return nil, err
	}
	all := c.mutants()
	texts, ms, err := c.compiling(slices.DeleteFunc(slices.Clone(all), func(m *Mutant) bool { return !choose(m) }))
	if err != nil {
		return nil, err
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for path, text := range texts {
		replacement := filepath.Join(folder, filepath.Base(path))
		if err := os.WriteFile(replacement, []byte(text), 0o600); err != nil {
			return nil, err
		}
		overlay.Replace[path] = replacement
	}
	content, err := json.Marshal(overlay)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(folder, "overlay.json")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return nil, err
	}
	slices.SortFunc(ms, (*Mutant).compare)
	b := &Binary{Mutants: ms, Candidates: len(all), target: t, path: filepath.Join(folder, "mutants.test"), dir: filepath.Join(t.Root, t.Test)}
	build := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay="+file, "-o="+b.path, t.Test)
	build.Dir = t.Root
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return b, nil
}

// A Result says what a test made of a mutant.
type Result struct {
	Killed bool
	Cases  int    // subtests that began
	Case   string // the first subtest that failed
	How    string // what it said, or that it crashed, hung or took all memory
	Late   bool   // the whole test took longer than it may, so that nothing was found out
	Took   time.Duration
}

// Run runs the test on a mutant, or on none if m is nil, until its first failure. A test
// that takes longer than limit fails.
func (b *Binary) Run(ctx context.Context, m *Mutant, limit time.Duration) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, limit+10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.path, "-test.v", "-test.failfast", "-test.run="+b.target.Run, "-test.timeout="+limit.String())
	cmd.Dir = b.dir
	group(cmd)
	number := 0
	if m != nil {
		number = m.number
	}
	temp, err := os.MkdirTemp(filepath.Dir(b.path), "run")
	if err != nil {
		return Result{}, err
	}
	defer os.RemoveAll(temp)
	cmd.Env = append(os.Environ(), fmt.Sprintf("LISTHOOK_MUTANT=%d", number), "TMPDIR="+temp)
	start := time.Now()
	out, err := cmd.CombinedOutput()
	endGroup(cmd) // a test that crashes leaves its servers running
	r := Result{Killed: err != nil, Took: time.Since(start), Cases: len(ran.FindAll(out, -1))}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return r, err
	}
	if r.Killed {
		r.Case, r.How = failure(string(out))
		r.Late = strings.HasPrefix(r.How, "panic: test timed out")
	}
	return r, nil
}

var (
	failed  = regexp.MustCompile(`(?m)^ *--- FAIL: \S+/(\S+)`)
	ran     = regexp.MustCompile(`(?m)^=== RUN +\S+/(\S+)`)
	crashed = regexp.MustCompile(`(?m)^(panic: .*|fatal error: .*|runtime: .*|mutant: .*)`)
)

// failure returns the first subtest that failed, and what a test's output says of it. Of
// subtests in one another it is the innermost.
func failure(out string) (name, how string) {
	deepest := 0
	for _, m := range failed.FindAllStringSubmatch(out, -1) {
		if depth := strings.Count(m[0], "/"); depth > deepest {
			deepest, name = depth, m[1]
		}
	}
	if name != "" {
		return name, strings.TrimSpace(said(out, name))
	}
	if all := ran.FindAllStringSubmatch(out, -1); all != nil {
		name = all[len(all)-1][1]
	}
	return name, crashed.FindString(out)
}

// said returns what a subtest printed.
func said(out, name string) string {
	_, out, _ = strings.Cut(out, "/"+name+"\n")
	out, _, _ = strings.Cut(out, "\n=== ")
	out, _, _ = strings.Cut(out, "\n--- ")
	return out
}
