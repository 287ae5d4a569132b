package mutate

import (
	_ "embed"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
)

// helpers are the functions that mutants call, as a file of the package.
//
//go:embed helpers.txt
var helpers string

func (c *code) offset(p token.Pos) int { return c.fset.Position(p).Offset }

// copyOf returns the text of a copy of a function, with an edit and another name.
func (c *code) copyOf(f *file, fn *ast.FuncDecl, e edit, suffix string) string {
	from, to := c.offset(fn.Pos()), c.offset(fn.End())
	name := c.offset(fn.Name.End())
	text := f.src[from:name] + suffix
	if e.from == token.NoPos {
		return text + f.src[name:to]
	}
	return text + f.src[name:c.offset(e.from)] + e.text + f.src[c.offset(e.to):to]
}

// suffix is that of the name of m's function.
func (m *Mutant) suffix() string { return fmt.Sprintf("Mutant%d", m.number) }

// dispatch returns the statement by which a function calls the copy that runs in its
// place.
func dispatch(fn *ast.FuncDecl, ms []*Mutant) string {
	var args []string
	for _, field := range fn.Type.Params.List {
		for _, name := range field.Names {
			arg := name.Name
			if _, variadic := field.Type.(*ast.Ellipsis); variadic {
				arg += "..."
			}
			args = append(args, arg)
		}
	}
	called := fn.Name.Name
	if fn.Recv != nil {
		called = fn.Recv.List[0].Names[0].Name + "." + called
	}
	var b strings.Builder
	b.WriteString("switch mutant {")
	for _, m := range ms {
		call := fmt.Sprintf("%s%s(%s)", called, m.suffix(), strings.Join(args, ", "))
		if fn.Type.Results == nil {
			fmt.Fprintf(&b, " case %d: %s; return;", m.number, call)
		} else {
			fmt.Fprintf(&b, " case %d: return %s;", m.number, call)
		}
	}
	b.WriteString(" }; ")
	return b.String()
}

// A composed is a file with the copies of its functions.
type composed struct {
	path string
	text string
	from []int // the line where each of ms begins
	ms   []*Mutant
}

// compose returns the file with copies of its functions for ms, and with literals outside
// of functions that depend on the mutant.
func (c *code) compose(f *file, ms []*Mutant) composed {
	out := composed{path: f.path}
	variables := c.variables(ms)
	byFn := map[*ast.FuncDecl][]*Mutant{}
	for _, m := range ms {
		if m.file == f {
			byFn[m.fn] = append(byFn[m.fn], m)
		}
	}
	var b, copies strings.Builder
	at := 0
	line := strings.Count(f.src, "\n") + 2
	until := func(offset int) {
		b.WriteString(f.src[at:offset])
		at = offset
	}
	for _, decl := range f.ast.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok && c.target.Lua {
			c.embedded(decl, ms, until, &b)
			continue
		}
		if !ok {
			c.literals(decl, byFn[nil], variables, until, &b)
			continue
		}
		if len(byFn[fn]) == 0 {
			continue
		}
		until(c.offset(fn.Body.Lbrace) + 1)
		b.WriteString(dispatch(fn, byFn[fn]))
		for _, m := range byFn[fn] {
			text := c.copyOf(f, fn, m.edit, m.suffix()) + "\n"
			out.from = append(out.from, line)
			out.ms = append(out.ms, m)
			line += strings.Count(text, "\n")
			copies.WriteString(text)
		}
	}
	until(len(f.src))
	b.WriteString("\n" + copies.String())
	out.text = b.String()
	return out
}

// variables returns the declarations of constants that have to be variables, because their
// literals depend on the mutant, or because they are made of such ones.
func (c *code) variables(ms []*Mutant) map[*ast.GenDecl]bool {
	found, names := map[*ast.GenDecl]bool{}, map[types.Object]bool{}
	depends := func(gen *ast.GenDecl) (yes bool) {
		for _, m := range ms {
			yes = yes || m.fn == nil && gen.Pos() <= m.edit.from && m.edit.to <= gen.End()
		}
		ast.Inspect(gen, func(n ast.Node) bool {
			used, ok := n.(*ast.Ident)
			yes = yes || ok && names[c.info.Uses[used]]
			return true
		})
		return yes
	}
	for more := true; more; {
		more = false
		for _, f := range c.files {
			for _, decl := range f.ast.Decls {
				gen, ok := decl.(*ast.GenDecl)
				if !ok || gen.Tok != token.CONST || found[gen] || !depends(gen) {
					continue
				}
				found[gen], more = true, true
				for _, spec := range gen.Specs {
					for _, name := range spec.(*ast.ValueSpec).Names {
						names[c.info.Defs[name]] = true
					}
				}
			}
		}
	}
	return found
}

// literals writes the literals of a declaration so that they depend on the mutant. It
// makes constants variables.
func (c *code) literals(decl ast.Decl, ms []*Mutant, variables map[*ast.GenDecl]bool, until func(offset int), b *strings.Builder) {
	within := func(n ast.Node, m *Mutant) bool { return n.Pos() <= m.edit.from && m.edit.to <= n.End() }
	if gen, ok := decl.(*ast.GenDecl); ok && gen.Tok == token.CONST && variables[gen] {
		until(c.offset(gen.TokPos))
		b.WriteString("var /*") // to the length of the word
		until(c.offset(gen.TokPos) + len("const"))
		b.WriteString("*/")
	}
	ast.Inspect(decl, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok {
			return true
		}
		mine := slices.DeleteFunc(slices.Clone(ms), func(m *Mutant) bool { return !within(lit, m) })
		if len(mine) == 0 {
			return true
		}
		until(c.offset(lit.Pos()))
		b.WriteString("mutLiteral(")
		until(c.offset(lit.End()))
		for _, m := range mine {
			fmt.Fprintf(b, ", %d, %d, %d, %q", m.number, c.offset(m.edit.from)-c.offset(lit.Pos())-1, c.offset(m.edit.to)-c.offset(lit.Pos())-1, m.edit.text)
		}
		b.WriteString(")")
		return true
	})
}

// at returns the mutant that a line belongs to, nil if to none.
func (c composed) at(line int) *Mutant {
	i, found := slices.BinarySearch(c.from, line)
	if !found {
		i--
	}
	if i < 0 {
		return nil
	}
	return c.ms[i]
}

// compiling returns the files of the package with the mutants that compile, by path, and
// these mutants.
func (c *code) compiling(ms []*Mutant) (map[string]string, []*Mutant, error) {
	for {
		fset := token.NewFileSet()
		files := map[string]composed{}
		var asts []*ast.File
		bad := map[*Mutant]bool{}
		var other []error
		report := func(pos token.Position, err error) {
			if m := files[pos.Filename].at(pos.Line); m != nil {
				bad[m] = true
			} else {
				other = append(other, err)
			}
		}
		for _, f := range c.files {
			out := c.compose(f, ms)
			files[f.path] = out
			parsed, err := parser.ParseFile(fset, f.path, out.text, parser.SkipObjectResolution|parser.AllErrors)
			var syntax scanner.ErrorList
			if errors.As(err, &syntax) {
				for _, e := range syntax {
					report(e.Pos, e)
				}
			}
			asts = append(asts, parsed)
		}
		texts := map[string]string{filepath.Join(filepath.Dir(c.files[0].path), "mutant_helpers.go"): strings.Replace(helpers, "PACKAGE", c.files[0].ast.Name.Name, 1)}
		for path, text := range texts {
			parsed, err := parser.ParseFile(fset, path, text, parser.SkipObjectResolution)
			if err != nil {
				return nil, nil, err
			}
			asts = append(asts, parsed)
		}
		if len(bad) == 0 {
			c.check(fset, asts, nil, func(err error) {
				if e := (types.Error{}); errors.As(err, &e) {
					report(fset.Position(e.Pos), err)
				}
			})
		}
		if len(other) > 0 {
			return nil, nil, errors.Join(other[:min(len(other), 10)]...)
		}
		if len(bad) == 0 {
			for path, f := range files {
				texts[path] = f.text
			}
			return texts, ms, nil
		}
		ms = slices.DeleteFunc(slices.Clone(ms), func(m *Mutant) bool { return bad[m] })
	}
}
