package mutate

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// embeds matches the comment by which a variable embeds a script.
var embeds = regexp.MustCompile(`^//go:embed (\S+\.lua)$`)

// loadScripts adds the scripts that f's variables embed. Their positions are in c.fset, as
// those of Go files are.
func (c *code) loadScripts(f *file) error {
	for _, decl := range f.ast.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.VAR {
			continue
		}
		for _, spec := range gen.Specs {
			spec := spec.(*ast.ValueSpec)
			doc := cmp.Or(spec.Doc, gen.Doc)
			if doc == nil {
				continue
			}
			for _, comment := range doc.List {
				m := embeds.FindStringSubmatch(comment.Text)
				if m == nil {
					continue
				}
				path := filepath.Join(filepath.Dir(f.path), m[1])
				src, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				positions := c.fset.AddFile(path, -1, len(src))
				positions.SetLinesForContent(src)
				c.scripts = append(c.scripts, &file{path: path, src: string(src), variable: spec.Names[0].Name, base: positions.Pos(0)})
			}
		}
	}
	return nil
}

// embedded writes the uses of scripts' variables in a declaration so that they depend on
// the mutant.
func (c *code) embedded(decl ast.Decl, ms []*Mutant, until func(offset int), b *strings.Builder) {
	ast.Inspect(decl, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for _, value := range spec.Values {
			ast.Inspect(value, func(n ast.Node) bool {
				used, ok := n.(*ast.Ident)
				if !ok {
					return true
				}
				var args strings.Builder
				for _, m := range ms {
					if m.file.variable == used.Name {
						fmt.Fprintf(&args, ", %d, %d, %d, %q", m.number, c.offset(m.edit.from), c.offset(m.edit.to), m.edit.text)
					}
				}
				if args.Len() > 0 {
					until(c.offset(used.Pos()))
					b.WriteString("mutLiteral(")
					until(c.offset(used.End()))
					b.WriteString(args.String() + ")")
				}
				return true
			})
		}
		return false
	})
}

// luaOperators replace what a pattern matches in a line of Lua, outside of texts.
var luaOperators = []sqlOperator{
	{regexp.MustCompile(`([^<>=~])<([^=])`), []string{"${1}<=${2}", "${1}>${2}"}},
	{regexp.MustCompile(`([^<>=~])>([^=])`), []string{"${1}>=${2}", "${1}<${2}"}},
	{regexp.MustCompile(`<=`), []string{"<", ">="}},
	{regexp.MustCompile(`>=`), []string{">", "<="}},
	{regexp.MustCompile(`==`), []string{"~="}},
	{regexp.MustCompile(`~=`), []string{"=="}},
	{regexp.MustCompile(` and `), []string{" or "}},
	{regexp.MustCompile(` or `), []string{" and "}},
	{regexp.MustCompile(`\bnot `), []string{""}},
	{regexp.MustCompile(` \+ `), []string{" - "}},
	{regexp.MustCompile(` - `), []string{" + "}},
	{regexp.MustCompile(` \* `), []string{" / "}},
	{regexp.MustCompile(`\bmath\.min\b`), []string{"math.max"}},
	{regexp.MustCompile(`\b\d+\b`), []string{"(${0} + 1)", "(${0} - 1)"}},
	// The loop of one turn, and of none.
	{regexp.MustCompile(`\bipairs\((.+)\) do`), []string{"ipairs({(${1})[1]}) do", "ipairs({}) do"}},
	{regexp.MustCompile(`\bpairs\((.+)\) do`), []string{"pairs({}) do"}},
}

// luaTexts replace texts, also within the operand of "..".
var luaTexts = []sqlOperator{
	{regexp.MustCompile(` \.\. (?:[\w.]+(?:\([^()]*\))?|'[^']*')`), []string{""}}, // one operand less
	{regexp.MustCompile(`'\('`), []string{"'['"}},
	{regexp.MustCompile(`'\['`), []string{"'('"}},
	{regexp.MustCompile(`'SADD'`), []string{"'SREM'"}},
	{regexp.MustCompile(`'SREM'`), []string{"'SADD'"}},
	{regexp.MustCompile(`'INCR'`), []string{"'DECR'"}},
	{regexp.MustCompile(`, 'LIMIT', 0, [\w.]+`), []string{""}},
	{regexp.MustCompile(`'pending'`), []string{"'failed'"}},
	// A pair of HSET, a field of HDEL, a field of a table.
	{regexp.MustCompile(`, '\w+', [\w.]+(?:\([^()]*\))?`), []string{""}},
	{regexp.MustCompile(`(HDEL.*), '\w+'`), []string{"${1}"}},
	{regexp.MustCompile(`\{\w+ = [\w.]+, `), []string{"{"}},
	{regexp.MustCompile(`, \w+ = [\w.]+\}`), []string{"}"}},
	{regexp.MustCompile(`'(\w+:)'`), []string{"''"}},
	{regexp.MustCompile(`(= |, |\()'(place|sequence|queue|blocked|put|puts|added|)'`), []string{"${1}'other'"}},
}

var (
	luaCondition = regexp.MustCompile(`\b(?:if|elseif|while) (.+?) (?:then|do)\b`)
	luaOperand   = regexp.MustCompile(` (?:and|or) `)
	luaOther     = regexp.MustCompile(`^(?:local|if|elseif|else|end|for|while|return)\b`)
	luaText      = regexp.MustCompile(`'[^']*'`)
)

// findLua adds the mutants of a script.
func (f *finder) findLua() {
	for at := 0; at < len(f.file.src); {
		line, _, _ := strings.Cut(f.file.src[at:], "\n")
		text, _, _ := strings.Cut(line, "--") // without the comment
		f.luaLine(at, strings.TrimRight(text, " "))
		at += len(line) + 1
	}
}

// luaLine adds the mutants of a line of a script, which begins at an offset.
func (f *finder) luaLine(at int, line string) {
	replace := func(from, to int, with string) {
		f.add(edit{f.file.base + token.Pos(at+from), f.file.base + token.Pos(at+to), with})
	}
	masked := luaText.ReplaceAllStringFunc(line, func(text string) string { return "'" + strings.Repeat("_", len(text)-2) + "'" })
	if from := len(line) - len(strings.TrimLeft(line, " ")); from < len(line) && !luaOther.MatchString(line[from:]) && strings.ContainsAny(masked, "=(") {
		if to := endOfStatement(f.file.src[at:], from); to > 0 {
			replace(from, to, "")
		}
	}
	for _, m := range luaCondition.FindAllStringSubmatchIndex(masked, -1) {
		condition := line[m[2]:m[3]]
		outside := outsideParentheses(masked[m[2]:m[3]])
		replace(m[2], m[3], "not ("+condition+")")
		replace(m[2], m[3], "false")
		if !strings.HasPrefix(line[m[0]:], "while") {
			replace(m[2], m[3], "true")
		}
		begin := m[2]
		operands := luaOperand.FindAllStringIndex(outside, -1)
		for i := range len(operands) + 1 {
			end, neutral := m[3], "true"
			if i < len(operands) {
				end = m[2] + operands[i][0]
			}
			if len(operands) == 0 {
				break
			}
			if by := operands[max(i-1, 0)]; outside[by[0]:by[1]] == " or " {
				neutral = "false"
			}
			replace(begin, end, neutral)
			if i < len(operands) {
				begin = m[2] + operands[i][1]
			}
		}
	}
	f.luaReplace(line, masked, luaOperators, replace)
	f.luaReplace(line, line, luaTexts, replace)
}

// luaReplace adds what operators make of a line. They look at a line that may be masked.
func (f *finder) luaReplace(line, masked string, operators []sqlOperator, replace func(from, to int, with string)) {
	for _, op := range operators {
		for at := 0; at < len(masked); {
			m := op.pattern.FindStringSubmatchIndex(masked[at:])
			if m == nil {
				break
			}
			for _, with := range op.with {
				if at+m[0] > 0 && word(masked[at+m[0]]) && word(masked[at+m[0]-1]) {
					continue // it begins inside a word
				}
				replace(at+m[0], at+m[1], string(op.pattern.ExpandString(nil, with, line[at:], m)))
			}
			at += m[0] + 1
		}
	}
}

// outsideParentheses masks what stands in parentheses.
func outsideParentheses(text string) string {
	masked, depth := []byte(text), 0
	for i, c := range masked {
		if c == ')' {
			depth--
		}
		if depth > 0 {
			masked[i] = '_'
		}
		if c == '(' {
			depth++
		}
	}
	return string(masked)
}

// endOfStatement returns where the statement ends that begins at an offset: where the
// parentheses are closed, at the end of a line. It returns 0 if they are not closed.
func endOfStatement(text string, from int) int {
	depth := 0
	for i := from; i < len(text); i++ {
		switch text[i] {
		case '(', '{', '[':
			depth++
		case ')', '}', ']':
			depth--
		case '\'':
			end := strings.IndexByte(text[i+1:], '\'')
			if end < 0 {
				return 0
			}
			i += end + 1
		case '\n':
			if depth == 0 {
				return i
			}
		}
	}
	return 0
}
