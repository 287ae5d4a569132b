// Command release checks that the published modules can be downloaded and built
// by somebody who has nothing but the Go command.
//
// It builds a module proxy in a folder: every version that is tagged, and for
// each published module the version that versions.txt names, made from the
// commit that is checked out. Against this proxy it runs go get in an empty
// module, once for each published module, and builds a program that imports
// every package of it. A module that requires a version of a sibling which is
// neither tagged nor in versions.txt fails here rather than at its first user.
//
// Run it from the top of the repository:
//
//	go run ./internal/release
package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	modzip "golang.org/x/mod/zip"
)

// versionsFile names the version of each module that the tree is to become.
const versionsFile = "internal/release/versions.txt"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run() error {
	scratch, err := os.MkdirTemp("", "listhook-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)

	next, err := readVersions()
	if err != nil {
		return err
	}
	tagged, err := tags(next)
	if err != nil {
		return err
	}
	// The zip package wants a clone: in a linked work tree .git is a file.
	clone := filepath.Join(scratch, "clone")
	if _, err := command(".", nil, "git", "clone", "--quiet", "--shared", "--no-checkout", ".", clone); err != nil {
		return err
	}
	for _, r := range append(tagged, next...) {
		if err := r.publish(clone, filepath.Join(scratch, "proxy")); err != nil {
			return fmt.Errorf("%s: %w", r.version, err)
		}
	}
	for _, r := range next {
		if err := r.try(scratch); err != nil {
			return fmt.Errorf("go get %s, as its first user would: %w", r.version, err)
		}
		fmt.Println("ok ", r.version)
	}
	return nil
}

// A release is one version of a module.
type release struct {
	version module.Version
	dir     string // of the module, from the top of the repository; "" is the top
	commit  string // which has it
}

// readVersions returns the releases that the tree is to become.
func readVersions() ([]release, error) {
	text, err := os.ReadFile(versionsFile)
	if err != nil {
		return nil, err
	}
	var releases []release
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if len(words) != 2 || !semver.IsValid(words[1]) {
			return nil, fmt.Errorf("%s: %q is not a folder and a version", versionsFile, strings.TrimSpace(line))
		}
		dir := strings.TrimPrefix(words[0], ".")
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err != nil {
			return nil, err
		}
		releases = append(releases, release{module.Version{Path: modfile.ModulePath(mod), Version: words[1]}, dir, "HEAD"})
	}
	return releases, nil
}

// tags returns the releases of these modules that have a tag. A version of next
// that is tagged already must not be made anew from the tree.
func tags(next []release) ([]release, error) {
	out, err := command(".", nil, "git", "tag", "--list")
	if err != nil {
		return nil, err
	}
	var releases []release
	for _, tag := range strings.Fields(out) {
		dir, version := "", tag
		if i := strings.LastIndexByte(tag, '/'); i >= 0 {
			dir, version = tag[:i], tag[i+1:]
		}
		i := slices.IndexFunc(next, func(r release) bool { return r.dir == dir })
		if i < 0 || !semver.IsValid(version) {
			continue
		}
		if semver.Compare(version, next[i].version.Version) >= 0 {
			return nil, fmt.Errorf("%s: %s is tagged already: name the version that comes after it", versionsFile, tag)
		}
		releases = append(releases, release{module.Version{Path: next[i].version.Path, Version: version}, dir, tag})
	}
	return releases, nil
}

// publish writes the files by which a proxy serves a version, made from a clone
// of the repository: https://go.dev/ref/mod#goproxy-protocol.
func (r release) publish(clone, proxy string) error {
	escaped, err := module.EscapePath(r.version.Path)
	if err != nil {
		return err
	}
	dir := filepath.Join(proxy, escaped, "@v")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	base := filepath.Join(dir, r.version.Version)
	mod, err := command(clone, nil, "git", "show", r.commit+":./"+filepath.ToSlash(filepath.Join(r.dir, "go.mod")))
	if err != nil {
		return err
	}
	list, err := os.OpenFile(filepath.Join(dir, "list"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(list, r.version.Version)
	archive, createErr := os.Create(base + ".zip")
	if err := cmp.Or(err, list.Close(), createErr); err != nil {
		return err
	}
	return errors.Join(
		modzip.CreateFromVCS(archive, r.version, clone, r.commit, r.dir),
		archive.Close(),
		os.WriteFile(base+".mod", []byte(mod), 0o644),
		os.WriteFile(base+".info", fmt.Appendf(nil, `{"Version":%q}`, r.version.Version), 0o644),
	)
}

// try gets the module as somebody new does, and builds all that it offers.
func (r release) try(scratch string) error {
	dir, err := os.MkdirTemp(scratch, "user-")
	if err != nil {
		return err
	}
	env := environment(scratch, dir+"-modules")
	for _, args := range [][]string{
		{"mod", "init", "example.com/app"},
		{"get", r.version.String()},
	} {
		if _, err := command(dir, env, "go", args...); err != nil {
			return err
		}
	}
	packages, err := command(dir, env, "go", "list", "-f", "{{if ne .Name \"main\"}}{{.ImportPath}}{{end}}", r.version.Path+"/...")
	if err != nil {
		return err
	}
	var program strings.Builder
	program.WriteString("package main\n\nimport (\n")
	for _, p := range strings.Fields(packages) {
		if !strings.Contains(p, "/internal/") {
			fmt.Fprintf(&program, "\t_ %q\n", p)
		}
	}
	program.WriteString(")\n\nfunc main() {}\n")
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(program.String()), 0o644); err != nil {
		return err
	}
	for _, args := range [][]string{{"mod", "tidy"}, {"build", "-o", os.DevNull, "."}} {
		if _, err := command(dir, env, "go", args...); err != nil {
			return err
		}
	}
	return nil
}

// environment returns the environment of a user who downloads the published
// modules from the proxy in scratch, and all others from this machine's module
// cache or its usual proxy. Downloads go to the folder modules: these versions
// exist nowhere else, so the machine's own cache must not keep them.
func environment(scratch, modules string) []string {
	get := func(name string) string {
		out, _ := command(".", nil, "go", "env", name)
		return strings.TrimSpace(out)
	}
	proxies := []string{
		"file://" + filepath.ToSlash(filepath.Join(scratch, "proxy")),
		"file://" + filepath.ToSlash(filepath.Join(get("GOMODCACHE"), "cache", "download")),
		get("GOPROXY"),
	}
	return append(os.Environ(),
		"GOWORK=off", "GOFLAGS=-modcacherw",
		"GOMODCACHE="+modules,
		"GOPROXY="+strings.Join(proxies, ","),
		"GONOSUMDB=github.com/listhook", "GOPRIVATE=", "GONOPROXY=none",
	)
}

// command runs a program in dir and returns what it printed; its error holds
// what it complained of.
func command(dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, env
	out, err := cmd.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		err = fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, failed.Stderr)
	}
	return string(out), err
}
