package mutate

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A Target is a package to break, and the test that should notice.
type Target struct {
	Name string   // begins the keys of its mutants
	Dir  string   // the folder of the package, below Root
	Only []string // files to break; empty: all
	SQL  bool     // break the SQL in literals, not the Go code
	Lua  bool     // break the Lua scripts that the package embeds, not the Go code
	Root string   // the folder of the workspace
	Test string   // the package of the test, such as "./memstore"
	Run  string   // the test
}

// A code is a package that was parsed and checked.
type code struct {
	target  Target
	fset    *token.FileSet
	files   []*file
	scripts []*file // if they are to be broken
	info    *types.Info
	pkg     *types.Package

	imports types.Importer
}

// A file is one of a package's.
type file struct {
	path string
	src  string
	ast  *ast.File // nil: it is a Lua script

	variable string    // of a script: that embeds it
	base     token.Pos // of a script
}

// load parses and checks a target's package.
func load(t Target) (*code, error) {
	listed, err := list(t)
	if err != nil {
		return nil, err
	}
	c := &code{target: t, fset: token.NewFileSet()}
	for _, name := range listed.GoFiles {
		path := filepath.Join(listed.Dir, name)
		src, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		parsed, err := parser.ParseFile(c.fset, path, src, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return nil, err
		}
		f := &file{path: path, src: string(src), ast: parsed}
		c.files = append(c.files, f)
		if t.Lua {
			if err := c.loadScripts(f); err != nil {
				return nil, err
			}
		}
	}
	c.imports = importer.ForCompiler(c.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(listed.exports[path]) })
	c.info = &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}
	var failed []error
	c.pkg = c.check(c.fset, c.asts(), c.info, func(err error) { failed = append(failed, err) })
	return c, errors.Join(failed...)
}

func (c *code) asts() []*ast.File {
	var asts []*ast.File
	for _, f := range c.files {
		asts = append(asts, f.ast)
	}
	return asts
}

// check checks files as the package, and reports each error.
func (c *code) check(fset *token.FileSet, files []*ast.File, info *types.Info, report func(error)) *types.Package {
	config := types.Config{Importer: c.imports, Error: report}
	pkg, _ := config.Check(c.target.Name, fset, files, info)
	return pkg
}

// breaks reports whether a file's functions are to be broken.
func (t Target) breaks(f *file) bool {
	return len(t.Only) == 0 || slices.Contains(t.Only, filepath.Base(f.path))
}

// A listed is what go list says of a package.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
	Standard, DepOnly       bool

	exports map[string]string // files, by import path
}

// list lists the package of a target, and the compiled packages that it may import.
func list(t Target) (*listed, error) {
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,Standard,DepOnly",
		"./"+t.Dir, "bytes", "errors", "maps", "os", "runtime", "slices", "strconv", "strings", "time") // helpers.txt imports these
	cmd.Dir = t.Root
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var found *listed
	exports := map[string]string{}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); decoder.More(); {
		var l listed
		if err := decoder.Decode(&l); err != nil {
			return nil, err
		}
		exports[l.ImportPath] = l.Export
		if !l.DepOnly && !l.Standard {
			l.exports = exports
			found = &l
		}
	}
	if found == nil {
		return nil, fmt.Errorf("go list knows no package in %s", t.Dir)
	}
	return found, nil
}
