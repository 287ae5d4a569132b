package text

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	template "text/template/parse"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write messages.json")

// TestEveryMessageOfThePageIsTranslated finds the messages in the templates and
// in the code: whatever has the type Message there.
func TestEveryMessageOfThePageIsTranslated(t *testing.T) {
	used := inTemplates(t)
	for _, folder := range []string{".", "../label", "../notice", "../page", "../sentence"} {
		maps.Copy(used, inCode(t, folder))
	}
	require.Greater(t, len(used), 200)
	want := slices.Sorted(maps.Keys(used))
	if *update {
		writeJSON(t, "messages.json", want)
	}
	var listed []Message
	require.NoError(t, read("messages", &listed))
	require.Equal(t, want, listed, "write messages.json with -update, then translate what is new")
	all, err := builtIn()
	require.NoError(t, err)
	for tag, texts := range all {
		for _, m := range want {
			assert.NotEmpty(t, texts[m], "%s has no text for %q", tag, m)
		}
		for m := range texts {
			assert.True(t, used[m], "%s translates %q, which is not used", tag, m)
		}
	}
}

func writeJSON(t *testing.T, name string, value any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "\t")
	require.NoError(t, e.Encode(value))
	require.NoError(t, os.WriteFile(name, b.Bytes(), 0o644))
}

// inTemplates returns the messages that templates say.
func inTemplates(t *testing.T) map[Message]bool {
	found := map[Message]bool{}
	paths, err := filepath.Glob("../page/templates/*.html")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		source, err := os.ReadFile(path)
		require.NoError(t, err)
		trees := map[string]*template.Tree{}
		tree := template.New(path)
		tree.Mode = template.SkipFuncCheck
		_, err = tree.Parse(string(source), "", "", trees)
		require.NoError(t, err)
		for _, tree := range trees {
			inNode(tree.Root, found)
		}
	}
	return found
}

func inNode(node template.Node, found map[Message]bool) {
	switch n := node.(type) {
	case *template.ListNode:
		if n != nil {
			for _, one := range n.Nodes {
				inNode(one, found)
			}
		}
	case *template.ActionNode:
		inNode(n.Pipe, found)
	case *template.TemplateNode:
		inNode(n.Pipe, found)
	case *template.IfNode:
		inBranch(&n.BranchNode, found)
	case *template.RangeNode:
		inBranch(&n.BranchNode, found)
	case *template.WithNode:
		inBranch(&n.BranchNode, found)
	case *template.PipeNode:
		if n != nil {
			for _, command := range n.Cmds {
				inNode(command, found)
			}
		}
	case *template.CommandNode:
		if name, ok := n.Args[0].(*template.IdentifierNode); ok && (name.Ident == "T" || name.Ident == "HTML") {
			if said, ok := n.Args[1].(*template.StringNode); ok {
				found[Message(said.Text)] = true
			}
		}
		for _, arg := range n.Args {
			inNode(arg, found)
		}
	}
}

func inBranch(n *template.BranchNode, found map[Message]bool) {
	inNode(n.Pipe, found)
	inNode(n.List, found)
	inNode(n.ElseList, found)
}

// inCode returns the constants of the type Message in a package.
func inCode(t *testing.T, folder string) map[Message]bool {
	fset := token.NewFileSet()
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	var files []*ast.File
	for _, path := range paths {
		if !strings.HasSuffix(path, "_test.go") {
			f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			files = append(files, f)
		}
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", exportData(t, folder))}
	_, err = config.Check("github.com/listhook/webhook/manage/internal/"+filepath.Base(folder), fset, files, info)
	require.NoError(t, err)
	found := map[Message]bool{}
	for expression, is := range info.Types {
		if _, ok := expression.(*ast.BasicLit); !ok || is.Value == nil || is.Value.Kind() != constant.String {
			continue
		}
		if named, ok := is.Type.(*types.Named); ok && named.Obj().Name() == "Message" {
			if m := Message(constant.StringVal(is.Value)); m != "" {
				found[m] = true
			}
		}
	}
	return found
}

// exportData finds what the compiler wrote of the packages that a package
// imports.
func exportData(t *testing.T, folder string) func(string) (io.ReadCloser, error) {
	command := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export", ".")
	command.Dir = folder
	out, err := command.Output()
	require.NoError(t, err)
	exports := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var p struct{ ImportPath, Export string }
		require.NoError(t, d.Decode(&p))
		exports[p.ImportPath] = p.Export
	}
	return func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
}
