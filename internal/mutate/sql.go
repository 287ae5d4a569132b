package mutate

import (
	"go/ast"
	"go/token"
	"regexp"
	"strings"
)

// An sqlOperator replaces what a pattern matches in SQL. with is a template for the match,
// as for regexp.Expand.
type sqlOperator struct {
	pattern *regexp.Regexp
	with    []string
}

// condition is one of those that "and" connects, without parentheses of more than one level.
const condition = `((?:[^()\n]|\([^()]*\))+?)`

var sqlOperators = []sqlOperator{
	{regexp.MustCompile(`([^-<>=])<=`), []string{"${1}<", "${1}>="}},
	{regexp.MustCompile(`([^-<>=])>=`), []string{"${1}>", "${1}<="}},
	{regexp.MustCompile(`([^-<>=])<([^=>])`), []string{"${1}<=${2}", "${1}>${2}"}},
	{regexp.MustCompile(`([^-<>=])>([^=>])`), []string{"${1}>=${2}", "${1}<${2}"}},
	{regexp.MustCompile(`<>`), []string{"="}},
	{regexp.MustCompile(`\band\b`), []string{"or"}},
	{regexp.MustCompile(`\bor\b`), []string{"and"}},
	// A condition that always holds, and one that never does.
	{regexp.MustCompile(`\b(where|and|or|on) ` + condition + `( and\b| or\b| order\b| group\b| limit\b| for\b| returning\b| union\b|\)|$|\n)`), []string{"${1} 1 = 1${3}", "${1} 1 = 0${3}"}},
	{regexp.MustCompile(`\bwhen ` + condition + ` then\b`), []string{"when 1 = 1 then", "when 1 = 0 then"}},
	{regexp.MustCompile(` order by [^()\n]+?( limit\b| offset\b| for\b|\)|$|\n)`), []string{"${1}"}},
	{regexp.MustCompile(`\bdesc\b`), []string{""}},
	{regexp.MustCompile(`\border by (\w+), (\w+)`), []string{"order by ${1}", "order by ${1} desc, ${2}", "order by ${1}, ${2} desc"}},
	{regexp.MustCompile(`\border by ([\w.]+)( limit|\)|$|\n)`), []string{"order by ${1} desc${2}"}},
	{regexp.MustCompile(` limit (@\w+|\d+)`), []string{" limit 2", ""}},
	{regexp.MustCompile(` for update( of [\w, ]+?)?( skip locked)?(\)|\n|$)`), []string{"${3}", " for update${1}${3}"}},
	{regexp.MustCompile(` lock in share mode`), []string{""}},
	{regexp.MustCompile(`\bdistinct `), []string{""}},
	{regexp.MustCompile(`\bunion all\b`), []string{"union"}},
	{regexp.MustCompile(`\bleft join\b`), []string{"join"}},
	{regexp.MustCompile(`\b(max|min|greatest|least)\(`), []string{"${1}X("}},
	{regexp.MustCompile(`\bcoalesce\(([\w.]+), ([^()]+?)\)`), []string{"${1}", "${2}"}},
	{regexp.MustCompile(`\bis not null\b`), []string{"is null"}},
	{regexp.MustCompile(`\bis null\b`), []string{"is not null"}},
	{regexp.MustCompile(`\bnot exists\b`), []string{"exists"}},
	{regexp.MustCompile(`\bon conflict [^\n]*do nothing`), []string{""}},
	{regexp.MustCompile(`(\w+) \+ 1\b`), []string{"${1}", "${1} + 2"}},
	{regexp.MustCompile(`(= |, |then |else )(\d)\b`), []string{"${1}${2}1", "${1}(${2} - 1)"}},
	{regexp.MustCompile(`'pending'`), []string{"'failed'"}},
	{regexp.MustCompile(`\bset (\w+) = ([^,\n]+), `), []string{"set "}},
	{regexp.MustCompile(`, (\w+) = ((?:[^,()\n]|\([^()]*\))+)`), []string{"", ", ${1} = ${1}"}},
	{regexp.MustCompile(`\blower\(|collate "C"`), []string{""}},
}

var isSQL = regexp.MustCompile(`(?s)\b(select|insert|update|delete|where|order by|limit|exists|case when)\b.*|[<>=] *@v`)

func word(c byte) bool { return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' }

// ofBetween matches the text before the "and" of a between.
var ofBetween = regexp.MustCompile(`\bbetween \S+ $`)

// sql changes a literal that is SQL in one place at a time.
func (f *finder) sql(n *ast.BasicLit) {
	text := f.text(n)
	if n.Kind != token.STRING || !isSQL.MatchString(text) || strings.Contains(text, "create table") || strings.Contains(text, "alter table") {
		return
	}
	text = text[:len(text)-1] // without the quote
	for _, op := range sqlOperators {
		for at := 1; at < len(text); {
			m := op.pattern.FindStringSubmatchIndex(text[at:])
			if m == nil {
				break
			}
			found := text[at+m[0] : at+m[1]]
			for _, with := range op.with {
				if word(found[0]) && word(text[at+m[0]-1]) || strings.Contains(found, "where true") || strings.HasPrefix(found, "on conflict") && with != "" || ofBetween.MatchString(text[:at+m[0]]) {
					continue // it begins inside a word, changes nothing, or makes no SQL
				}
				changed := string(op.pattern.ExpandString(nil, with, text[at:], m))
				f.add(edit{n.Pos() + token.Pos(at+m[0]), n.Pos() + token.Pos(at+m[1]), other(changed)})
			}
			at += m[0] + 1
		}
	}
}

// other replaces the mark X behind a function's name by naming its opposite.
func other(text string) string {
	return strings.NewReplacer("maxX(", "min(", "minX(", "max(", "greatestX(", "least(", "leastX(", "greatest(").Replace(text)
}

// findSQL adds the mutants of the SQL in a declaration, in a function or not.
func (f *finder) findSQL(decl ast.Decl) {
	ast.Inspect(decl, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok {
			f.sql(lit)
		}
		return true
	})
}
