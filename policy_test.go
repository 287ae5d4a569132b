package webhook_test

import (
	"encoding/json"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The rules of the repository that no compiler and no linter knows. Each
// failure says the reason for its rule.

const (
	modulePath  = "github.com/listhook/webhook"
	formPath    = "github.com/go-playground/form/v4"
	backoffPath = "github.com/cenkalti/backoff/v4"
	testify     = "github.com/stretchr/testify"
	xnet        = "golang.org/x/net"
	xtext       = "golang.org/x/text"
)

// managePackages are the packages of package manage that read requests.
var managePackages = []string{modulePath + "/manage/internal/page", modulePath + "/manage/internal/v1", modulePath + "/manage/internal/v3"}

// neverTagged are the modules for this repository alone, by folder; all others
// are published.
var neverTagged = []string{"examples", "bench", "internal"}

func TestModulePolicies(t *testing.T) {
	modules := readModules(t)

	t.Run("the root requires form, backoff, testify and Go's own tables of Unicode", func(t *testing.T) {
		var direct []string
		for _, r := range modules["."].Require {
			if !r.Indirect {
				direct = append(direct, r.Path)
			}
		}
		assert.ElementsMatch(t, []string{formPath, backoffPath, testify, xnet}, direct,
			"every module that the root requires, a driver above all, is forced on every user: "+
				"what needs another goes to a module of its own")
		for _, r := range modules["."].Require {
			assert.True(t, !r.Indirect || r.Path == xtext || r.Path == "go.yaml.in/yaml/v3",
				"%s is required through another module, and is forced on every user all the same", r.Path)
		}
	})

	t.Run("published modules replace nothing", func(t *testing.T) {
		for dir, m := range modules {
			if published(dir) {
				assert.Empty(t, m.Replace, "%s/go.mod: users' builds ignore replace, so they would build something else than we test", dir)
			}
		}
	})

	t.Run("published modules require versions that can exist", func(t *testing.T) {
		for dir, m := range modules {
			for _, r := range m.Require {
				if published(dir) {
					assert.False(t, strings.HasPrefix(r.Version, "v0.0.0-000"),
						"%s/go.mod: %s %s is a placeholder: nobody could download the module", dir, r.Path, r.Version)
				}
			}
		}
	})

	t.Run("the workspace holds every module", func(t *testing.T) {
		if len(modules) == 1 {
			return // a single module needs no workspace
		}
		var work struct{ Use []struct{ DiskPath string } }
		goJSON(t, &work, "work", "edit", "-json", "go.work")
		var used []string
		for _, u := range work.Use {
			used = append(used, path.Clean(u.DiskPath))
		}
		for dir := range modules {
			assert.Contains(t, used, dir, "go.work: the tests of a module that it leaves out are never run")
		}
	})
}

func TestImportPolicies(t *testing.T) {
	for _, f := range readSources(t) {
		if f.module != "." {
			continue
		}
		for _, spec := range f.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			in := func(modules ...string) bool { return slices.ContainsFunc(modules, within(imported)) }

			var reason string
			switch standard := !strings.Contains(strings.Split(imported, "/")[0], "."); {
			case f.test && !standard && !in(modulePath, formPath, backoffPath, testify):
				reason = "even a test's import is forced on every user: tests with drivers and peers are modules of their own"
			case f.test:
			case f.dir == "storetest" || f.dir == "webhooktest" || f.dir == "internal/matrix":
				if !standard && !in(modulePath) {
					reason = "the authors of stores and apps run it in tests of theirs: it forces no assertion library on them"
				}
			case in("testing"):
				reason = "test code has no place in production binaries"
			case imported == modulePath && strings.HasPrefix(f.dir, "internal/") && f.dir != "internal/sqlstore":
				reason = "a mechanism is read and tested without the dispatcher: it takes plain values, and the root imports it"
			case in(managePackages...) && f.dir != "manage":
				reason = "the page and the two APIs change apart: what they share is in manage/internal/account"
			case in(testify):
				reason = "only tests import it, so that no production binary holds it"
			case in(xnet, xtext) && f.dir == "internal/netguard":
				// net/http maps the names of hosts by a copy of x/net/idna that
				// nobody else may import. What checks a host has to map it the
				// same way, or it checks another one than is dialled.
			case !standard && !in(modulePath, formPath, backoffPath):
				reason = "the library is the standard library, form, backoff and, to map the names of hosts, golang.org/x/net: " +
					"what needs more is a module of its own"
			}
			if reason != "" {
				t.Errorf("%s imports %s: %s", f.path, imported, reason)
			}
		}
	}
}

func TestDocumentationPolicies(t *testing.T) {
	packages := map[string][]source{} // by folder
	for _, f := range readSources(t) {
		if !f.test {
			packages[f.dir] = append(packages[f.dir], f)
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		sources := packages[dir]
		var files []*ast.File
		for _, f := range sources {
			files = append(files, f.File)
		}
		p, err := doc.NewFromFiles(sources[0].fset, files, "example.org/"+dir)
		require.NoError(t, err)
		if !strings.HasPrefix(p.Doc, "Package "+p.Name+" ") && p.Name != "main" || p.Doc == "" {
			t.Errorf("%s: package %s has no comment that begins with its name: it is the first thing that a reader looks for", dir, p.Name)
		}
		if p.Name == "main" {
			continue
		}

		check := func(kind, name, comment string, names ...string) {
			if !begins(comment, append(names, name)) {
				t.Errorf("%s: %s %s has no comment that begins with its name: what is exported is a promise, and the comment says which", dir, kind, name)
			}
		}
		values := func(kind string, vs []*doc.Value) {
			for _, v := range vs {
				documentedValues(v, func(name string) { check(kind, name, "") })
			}
		}
		funcs := func(kind string, fs []*doc.Func) {
			for _, f := range fs {
				check(kind, f.Name, f.Doc)
			}
		}
		values("constant", p.Consts)
		values("variable", p.Vars)
		funcs("function", p.Funcs)
		for _, typ := range p.Types {
			check("type", typ.Name, typ.Doc)
			values("constant", typ.Consts)
			values("variable", typ.Vars)
			funcs("function", typ.Funcs)
			for _, m := range typ.Methods {
				if m.Level == 0 && m.Name != "Error" { // Error says nothing but what error says
					check("method", typ.Name+"."+m.Name, m.Doc, m.Name)
				}
			}
		}
	}
}

func TestFilePolicies(t *testing.T) {
	// Written so that this file does not hold what it looks for.
	unfinished := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|X` + `XX)\b`)
	machine := regexp.MustCompile(`(?m)(?:^|[\s"'=(` + "`" + `])(/(?:ho` + `me|Us` + `ers|ro` + `ot|wo` + `rk)/[\w.]+)`)

	// A context that ended with the app cuts short what Shutdown waits for.
	deferred := regexp.MustCompile(`defer \w+\.Shutdown\(ctx\)`)

	link := regexp.MustCompile(`\]\(([^)#: ]+)[)#]`)

	walk(t, func(file string) {
		switch path.Ext(file) {
		case ".db", ".sum", ".png", ".json":
			return
		}
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		if found := unfinished.Find(content); found != nil {
			t.Errorf("%s holds %s: what is to be done is an issue, or is done", file, found)
		}
		if found := machine.FindSubmatch(content); found != nil {
			t.Errorf("%s names %s: a path of one machine says nothing to the reader on another", file, found[1])
		}
		if !strings.HasSuffix(file, "_test.go") || strings.HasPrefix(path.Base(file), "example") {
			if found := deferred.Find(content); found != nil {
				t.Errorf("%s shows %q: with the app's context each deploy cuts attempts short, so give it a context of its own", file, found)
			}
		}
		if path.Ext(file) != ".md" {
			return
		}
		for _, found := range link.FindAllSubmatch(content, -1) {
			if _, err := os.Stat(path.Join(path.Dir(file), string(found[1]))); err != nil {
				t.Errorf("%s links to %s, which is not there: readers follow links", file, found[1])
			}
		}
	})

	for _, f := range readSources(t) {
		lines := f.fset.File(f.Pos()).LineCount()
		if !f.test && !ast.IsGenerated(f.File) && lines > 400 {
			t.Errorf("%s has %d lines: a file is one concept, and one that needs more than 400 is two", f.path, lines)
		}
	}
}

func TestTheReadmesTestCommandIsTheOneThatIsChecked(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	script, err := os.ReadFile(".ci/run")
	require.NoError(t, err)
	command := regexp.MustCompile(`(?m)^go test .*$`).FindString(string(readme))
	require.NotEmpty(t, command, "README.md says how to run the tests")
	assert.True(t, strings.Contains(string(script), "set -x; "+command+")"),
		"a command that a newcomer is told to run, and that nobody runs, will fail for them")
}

// documentedValues reports those exported names of a const or var declaration
// that neither the declaration, nor the line itself explains.
func documentedValues(v *doc.Value, undocumented func(name string)) {
	for _, spec := range v.Decl.Specs {
		spec := spec.(*ast.ValueSpec)
		for _, name := range spec.Names {
			if name.IsExported() && v.Doc == "" && spec.Doc == nil && spec.Comment == nil {
				undocumented(name.Name)
			}
		}
	}
}

// begins reports whether the comment begins with one of the names, an article
// before it apart.
func begins(comment string, names []string) bool {
	words := strings.Fields(comment)
	if len(words) > 1 && slices.Contains([]string{"A", "An", "The"}, words[0]) {
		words = words[1:]
	}
	return len(words) > 1 && slices.Contains(names, strings.TrimRight(words[0], ":,"))
}

// A module is what go.mod says, as far as a policy asks.
type module struct {
	Require []struct {
		Path, Version string
		Indirect      bool
	}
	Replace []struct{ Old, New struct{ Path string } }
}

// readModules reads the go.mod of each folder that has one.
func readModules(t *testing.T) map[string]module {
	t.Helper()
	modules := map[string]module{}
	walk(t, func(file string) {
		if path.Base(file) == "go.mod" {
			var m module
			goJSON(t, &m, "mod", "edit", "-json", file)
			modules[path.Dir(file)] = m
		}
	})
	require.Contains(t, modules, ".")
	return modules
}

func published(moduleDir string) bool {
	return !slices.Contains(neverTagged, strings.Split(moduleDir, "/")[0])
}

// goJSON reads what a go command prints.
func goJSON(t *testing.T, into any, args ...string) {
	t.Helper()
	out, err := exec.Command("go", args...).Output()
	require.NoError(t, err, "go %s", strings.Join(args, " "))
	require.NoError(t, json.Unmarshal(out, into))
}

// A source is a parsed Go file.
type source struct {
	*ast.File
	fset        *token.FileSet
	path        string
	dir, module string // folders
	test        bool
}

// readSources parses every Go file of the repository.
func readSources(t *testing.T) []source {
	t.Helper()
	modules := readModules(t)
	var sources []source
	fset := token.NewFileSet()
	walk(t, func(file string) {
		if path.Ext(file) != ".go" {
			return
		}
		parsed, err := parser.ParseFile(fset, file, nil, parser.ParseComments)
		require.NoError(t, err)
		f := source{File: parsed, fset: fset, path: file, dir: path.Dir(file), test: strings.HasSuffix(file, "_test.go")}
		for f.module = f.dir; ; f.module = path.Dir(f.module) {
			if _, ok := modules[f.module]; ok {
				break
			}
		}
		sources = append(sources, f)
	})
	require.NotEmpty(t, sources)
	return sources
}

// walk visits the files that people write: slash-separated, from the root.
func walk(t *testing.T, visit func(file string)) {
	t.Helper()
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case slices.Contains([]string{".git", "node_modules", "testdata", "bin"}, entry.Name()):
			if entry.IsDir() {
				return fs.SkipDir
			}
		case entry.Type().IsRegular():
			visit(name)
		}
		return nil
	})
	require.NoError(t, err)
}

// within returns a test for modules that hold the package.
func within(pkg string) func(module string) bool {
	return func(module string) bool {
		return pkg == module || strings.HasPrefix(pkg, module+"/")
	}
}
