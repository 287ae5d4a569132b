package webhook_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The structure of the root package, as docs/architecture.md draws it: its tables
// list each file in a layer, from the words that everything is said in up to the
// public methods that only call components. A use that ran from a lower layer to a
// higher one would mean that the lower one cannot be read by itself.
func TestStructureOfTheRoot(t *testing.T) {
	layers := readLayers(t)
	uses := fileUses(t)

	layerOf, placeOf := map[string]int{}, map[string]int{}
	for i, l := range layers {
		for place, f := range l.files {
			assert.NotContains(t, layerOf, f, "docs/architecture.md lists the file twice")
			layerOf[f], placeOf[f] = i, place
		}
	}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, f := range files {
		if !strings.HasSuffix(f, "_test.go") {
			assert.Contains(t, layerOf, f, "docs/architecture.md has no line for it: a newcomer would not know what it is for")
		}
	}
	for f := range layerOf {
		assert.Contains(t, files, f, "docs/architecture.md has a line for a file that is not there")
	}

	var upward, circular []string
	for u := range uses {
		from, to := layerOf[u.from], layerOf[u.to]
		text := fmt.Sprintf("%s uses %s of %s", u.from, u.name, u.to)
		switch {
		case from < to:
			upward = append(upward, text)
		case from == to && layers[from].name == components && placeOf[u.from] < placeOf[u.to]:
			circular = append(circular, text)
		}
	}
	slices.Sort(upward)
	slices.Sort(circular)
	assert.Empty(t, upward, "no use runs from a lower layer to a higher one: pass what is needed as a value or a function")
	assert.Empty(t, circular, "docs/architecture.md lists components so that each uses only those above it; "+
		"there is no such order of components that depend on each other in a circle")
}

// The other tables list the packages under internal, and the folders at the top.
func TestTheMapHasEveryFolder(t *testing.T) {
	var folders []string
	for _, dir := range []string{".", "internal", "manage/internal"} {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
				folders = append(folders, path.Join(dir, e.Name()))
			}
		}
	}
	text, err := os.ReadFile("docs/architecture.md")
	require.NoError(t, err)
	var listed []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9/]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		listed = append(listed, m[1])
	}
	assert.ElementsMatch(t, folders, listed, "docs/architecture.md has one line for each folder, and none for others")
}

// The table of methods names those of each file.
func TestTheMapNamesEveryMethod(t *testing.T) {
	text, err := os.ReadFile("docs/architecture.md")
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(text), "\n### Methods\n")
	require.True(t, ok)
	rows := regexp.MustCompile("(?m)^\\| `([a-z_]+\\.go)` \\| (.*) \\|$").FindAllStringSubmatch(table, -1)
	require.NotEmpty(t, rows)
	for _, row := range rows {
		f, err := parser.ParseFile(token.NewFileSet(), row[1], nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		var methods []string
		for _, d := range f.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.IsExported() {
				if star, ok := f.Recv.List[0].Type.(*ast.StarExpr); ok && star.X.(*ast.Ident).Name == "Dispatcher" {
					methods = append(methods, f.Name.Name)
				}
			}
		}
		assert.ElementsMatch(t, methods, strings.Split(row[2], ", "), "docs/architecture.md names other methods of %s", row[1])
	}
}

// components is the heading of the layer whose files never see the Dispatcher. They
// are listed so that each uses only those above it.
const components = "Components"

// A layer is a table under a heading in docs/architecture.md.
type layer struct {
	name  string
	files []string
}

func readLayers(t *testing.T) []layer {
	text, err := os.ReadFile("docs/architecture.md")
	require.NoError(t, err)
	heading := regexp.MustCompile("^### (.*)")
	row := regexp.MustCompile("^\\| `([a-z_]+\\.go)` \\|")
	var layers []layer
	for line := range strings.Lines(string(text)) {
		if m := heading.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			layers = append(layers, layer{name: m[1]})
		} else if m := row.FindStringSubmatch(line); m != nil {
			require.NotEmpty(t, layers, "docs/architecture.md: a file stands under no heading")
			layers[len(layers)-1].files = append(layers[len(layers)-1].files, m[1])
		}
	}
	require.NotEmpty(t, layers)
	return layers
}

// A use is that of a declaration in one file by another, however often.
type use struct{ from, to, name string }

// fileUses returns the uses between the files of the root package.
func fileUses(t *testing.T) map[use]bool {
	fset := token.NewFileSet()
	var files []*ast.File
	paths, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, p := range paths {
		if strings.HasSuffix(p, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, p, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		files = append(files, f)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", exportData(t))}
	pkg, err := config.Check(modulePath, fset, files, info)
	require.NoError(t, err)

	uses := map[use]bool{}
	for ident, object := range info.Uses {
		if object.Pkg() != pkg || local(object, pkg) {
			continue
		}
		from, to := fset.Position(ident.Pos()).Filename, fset.Position(object.Pos()).Filename
		if from != to {
			uses[use{from, to, object.Name()}] = true
		}
	}
	return uses
}

// local reports whether an object is declared within a function, rather than in
// the package or as a field or method of one of its types.
func local(o types.Object, pkg *types.Package) bool {
	switch o := o.(type) {
	case *types.Var:
		return !o.IsField() && o.Parent() != pkg.Scope()
	case *types.Func:
		return o.Signature().Recv() == nil && o.Parent() != pkg.Scope()
	}
	return o.Parent() != pkg.Scope()
}

// exportData finds what the compiler wrote of the packages that the root imports.
func exportData(t *testing.T) func(string) (io.ReadCloser, error) {
	out, err := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export", ".").Output()
	require.NoError(t, err)
	exports := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var p struct{ ImportPath, Export string }
		require.NoError(t, d.Decode(&p))
		exports[p.ImportPath] = p.Export
	}
	return func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
}
