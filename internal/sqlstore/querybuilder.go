package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// queryBuilder builds a query from optional conditions.
type queryBuilder struct {
	s      *Store
	text   strings.Builder
	args   args
	wheres int
	err    error
}

// newQuery returns a queryBuilder for a query that begins with text.
func (s *Store) newQuery(text string) *queryBuilder {
	b := &queryBuilder{s: s, args: args{}}
	b.text.WriteString(text)
	return b
}

// add appends text in which @v stands for one of the values, in order.
func (b *queryBuilder) add(text string, values ...any) {
	for _, v := range values {
		before, after, _ := strings.Cut(text, "@v")
		b.text.WriteString(before + "@" + b.arg(v))
		text = after
	}
	b.text.WriteString(text)
}

// arg adds an argument and returns its name.
func (b *queryBuilder) arg(v any) string {
	n := len(b.args)
	name := fmt.Sprintf("v%c%c", 'a'+n/26, 'a'+n%26)
	b.args[name] = v
	return name
}

// where appends a condition.
func (b *queryBuilder) where(text string, values ...any) {
	word := ` where `
	if b.wheres++; b.wheres > 1 {
		word = ` and `
	}
	b.add(word+text, values...)
}

// whereTime appends a condition on the column by which the rows are ordered, for which
// there is an index.
func (b *queryBuilder) whereTime(text string, value any) {
	if b.s.d.oneWriter {
		text = strings.Replace(text, "@v", hiddenTime, 1)
	}
	b.where(text, value)
}

// fewTexts is how many texts of a list become arguments of their own, for which
// planners choose better plans than for a JSON array.
const fewTexts = 10

// whereIs appends the condition that a column has a text.
func (b *queryBuilder) whereIs(column, text string) { whereIn(b, column, []string{text}) }

// whereIn appends the condition that a column has one of the texts. It leaves out
// texts that cannot be stored, because a database would return an error for them.
func whereIn[T ~string](b *queryBuilder, column string, list []T) {
	if list = storable(column, list); len(list) == 0 {
		b.where(`1 = 0`)
		return
	}
	whereList(b, column+` in`, list)
}

// whereNotIn appends the condition that a column has none of the texts.
func whereNotIn[T ~string](b *queryBuilder, column string, list []T) {
	if list = storable(column, list); len(list) > 0 {
		whereList(b, column+` not in`, list)
	}
}

// storable returns the texts of a list that can be stored.
func storable[T ~string](column string, list []T) []T {
	return slices.DeleteFunc(slices.Clone(list), func(text T) bool { return checkText(column, string(text)) != nil })
}

// whereList appends a condition that ends with a list of texts.
func whereList[T ~string](b *queryBuilder, condition string, list []T) {
	if len(list) <= fewTexts {
		values := make([]any, len(list))
		for i, text := range list {
			values[i] = string(text)
		}
		b.where(condition+` (@v`+strings.Repeat(`, @v`, len(list)-1)+`)`, values...)
		return
	}
	data, err := jsonArray(list)
	if err != nil {
		b.err = err
	}
	b.where(condition+` (`+strings.ReplaceAll(b.s.d.textList, "@list", "@v")+`)`, data)
}

// check makes the query fail if a text cannot be stored.
func (b *queryBuilder) check(field, text string) {
	if err := checkText(field, text); err != nil {
		b.err = err
	}
}

// limit appends a limit, unless n is 0.
func (b *queryBuilder) limit(n int) {
	if n > 0 {
		b.add(` limit @v`, n)
	}
}

func (b *queryBuilder) query(ctx context.Context, q Querier, row func(Scan) error) error {
	if b.err != nil {
		return b.err
	}
	return b.s.query(ctx, q, b.s.d.prepare(b.s.prefix, b.text.String()), b.args, row)
}
