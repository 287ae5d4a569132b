package mutate

import (
	"cmp"
	"fmt"
	"go/ast"
	"hash/fnv"
	"path/filepath"
	"slices"
	"strings"
)

// A Mutant is the package with one change.
type Mutant struct {
	// Key says where the change is, and what it is. It stays the same when other code
	// changes, or moves.
	Key string

	number int // of the copy of its function
	file   *file
	fn     *ast.FuncDecl // nil: the change is outside of functions
	edit   edit
}

// Half says in which of the two halves of all mutants m is: 1 or 2.
func (m *Mutant) Half() int { return int(m.hash()&1) + 1 }

// OneIn reports whether m belongs to one in n mutants, always to the same ones. There are
// n such sets, which are disjoint; which of them is less than n. For n of 0 it is none.
func (m *Mutant) OneIn(n, which int) bool { return n > 0 && m.hash()/2%uint32(n) == uint32(which) }

// hash makes an order of mutants that looks random, and is the same each time.
func (m *Mutant) hash() uint32 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(m.Key))
	sum := h.Sum64()
	sum ^= sum >> 29
	sum *= 0x9e3779b97f4a7c15 // the low bits of the sum alone tell few keys apart
	return uint32(sum >> 32)
}

// compare puts mutants in the order of their hashes.
func (m *Mutant) compare(other *Mutant) int {
	return cmp.Or(cmp.Compare(m.hash(), other.hash()), strings.Compare(m.Key, other.Key))
}

// mutants returns every mutant of a package. Some do not compile.
func (c *code) mutants() []*Mutant {
	var ms []*Mutant
	keys := map[string]int{}
	finderOf := func(f *file, fn *ast.FuncDecl) *finder {
		seen := map[edit]bool{}
		return &finder{code: c, file: f, fn: fn, add: func(e edit) {
			if seen[e] || f.src[c.offset(e.from):c.offset(e.to)] == e.text {
				return
			}
			seen[e] = true
			key := fmt.Sprintf("%s %s: %s", c.target.Name, nameOf(f, fn), c.describe(f, e))
			if keys[key]++; keys[key] > 1 {
				key += fmt.Sprintf(" #%d", keys[key])
			}
			ms = append(ms, &Mutant{key, len(ms) + 1, f, fn, e})
		}}
	}
	for _, script := range c.scripts {
		finderOf(script, nil).findLua()
	}
	for _, f := range c.files {
		if c.target.Lua || !c.target.breaks(f) {
			continue
		}
		for _, decl := range f.ast.Decls {
			fn, _ := decl.(*ast.FuncDecl)
			if fn != nil && (fn.Body == nil || !callable(fn)) {
				continue
			}
			switch {
			case c.target.SQL:
				finderOf(f, fn).findSQL(decl)
			case fn != nil:
				finderOf(f, fn).find()
			}
		}
	}
	return ms
}

// callable reports whether a function can call its copies: its receiver and parameters
// have names.
func callable(fn *ast.FuncDecl) bool {
	lists := []*ast.FieldList{fn.Type.Params}
	if fn.Recv != nil {
		lists = append(lists, fn.Recv)
	}
	for _, list := range lists {
		for _, field := range list.List {
			if len(field.Names) == 0 || slices.ContainsFunc(field.Names, func(name *ast.Ident) bool { return name.Name == "_" }) {
				return false
			}
		}
	}
	return fn.Name.Name != "init" && fn.Name.Name != "main"
}

// nameOf returns a function's name, behind that of its receiver's type. It returns the
// file's name if there is no function.
func nameOf(f *file, fn *ast.FuncDecl) string {
	if fn == nil {
		return filepath.Base(f.path)
	}
	if fn.Recv == nil {
		return fn.Name.Name
	}
	t := fn.Recv.List[0].Type
	for {
		switch typed := t.(type) {
		case *ast.StarExpr:
			t = typed.X
		case *ast.IndexExpr:
			t = typed.X
		case *ast.Ident:
			return typed.Name + "." + fn.Name.Name
		default:
			return fn.Name.Name
		}
	}
}

// describe says what an edit changes. An insertion is said with what stands behind it.
func (c *code) describe(f *file, e edit) string {
	from, to := c.offset(e.from), c.offset(e.to)
	old, text := f.src[from:to], e.text
	if from == to {
		behind, _, _ := strings.Cut(f.src[from:], "\n")
		if trimmed := strings.TrimPrefix(text, "; "); trimmed != text { // at the end of a block
			before := strings.TrimRight(f.src[:from], " \t\n")
			return fmt.Sprintf("`%s` after `%s`", short(trimmed), short(before[strings.LastIndex(before, "\n")+1:]))
		}
		return fmt.Sprintf("`%s` before `%s`", short(strings.TrimSuffix(text, "; ")), short(behind))
	}
	// SQL and Lua are said with what stands around them.
	if c.target.SQL || c.target.Lua {
		before, behind := f.src[max(0, from-40):from], f.src[to:min(len(f.src), to+40)]
		return fmt.Sprintf("`%s` in `%s[%s]%s`", short(text), tail(before), short(old), head(behind))
	}
	if text == "" {
		return fmt.Sprintf("without `%s`", short(old))
	}
	return fmt.Sprintf("`%s` for `%s`", short(text), short(old))
}

// short returns text in one line, without its middle if it is long.
func short(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > 110 {
		return string(runes[:60]) + " … " + string(runes[len(runes)-47:])
	}
	return text
}

// head returns the first words of a text, and tail the last ones.
func head(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return short(line)
}

func tail(text string) string {
	return short(text[strings.LastIndex(text, "\n")+1:])
}
