package sqlstore

import (
	"context"
	"fmt"
	"math/bits"
	"regexp"
	"slices"
	"strings"
)

// A statement is SQL with its parameters' names in the order of its
// placeholders.
type statement struct {
	text  string
	names []string

	// Where a database is in this process, rows are best given as such: JSON
	// would be taken apart in each column anew.
	values []string // the columns of {values}, if it has them
	texts  []string // with so many rows for them: 1, 2, 4, …
}

// valuesRows is how many rows stand in {values} at most. It is a power of two, as
// is every other number of them, so that few statements are to be kept.
const valuesRows = 64

// args are a statement's arguments by name.
type args map[string]any

var (
	parameter = regexp.MustCompile(`@[a-z]+`)
	values    = regexp.MustCompile(`\{values ([a-z, ]+)\}`)
)

// prepare makes a statement of SQL in which {} stands for the prefix of the
// tables' names, @name for an argument, and {values a, b} for a list of rows
// with these columns.
func (d *dialect) prepare(prefix, text string) statement {
	var st statement
	text = strings.ReplaceAll(strings.TrimSpace(text), "{}", prefix)
	if m := values.FindStringSubmatch(text); m != nil {
		st.values = strings.Split(m[1], ", ")
		row := "(?" + strings.Repeat(",?", len(st.values)-1) + ")"
		for n := 1; n <= valuesRows; n *= 2 {
			st.texts = append(st.texts, strings.Replace(text, m[0], "values "+row+strings.Repeat(","+row, n-1), 1))
		}
		return st
	}
	st.text = parameter.ReplaceAllStringFunc(text, func(name string) string {
		name = name[1:]
		place := slices.Index(st.names, name)
		if place < 0 || d.numbered == "" {
			place = len(st.names)
			st.names = append(st.names, name)
		}
		if d.numbered == "" {
			return "?"
		}
		return fmt.Sprint(d.numbered, place+1)
	})
	return st
}

func (st statement) args(a args) []any {
	list := make([]any, len(st.names))
	for i, name := range st.names {
		list[i] = a[name]
	}
	return list
}

// with returns the statement's text and arguments for the first of some rows of a
// batch, and the other rows.
func (st statement) with(b *batch, rows []row) (text string, list []any, others []row) {
	place := bits.Len(uint(min(len(rows), valuesRows))) - 1
	n := 1 << place
	list = make([]any, 0, n*len(st.values))
	for i := range rows[:n] {
		for _, column := range st.values {
			list = append(list, b.value(&rows[i], column))
		}
	}
	return st.texts[place], list, rows[n:]
}

// exec runs a statement and returns how many rows it changed.
func (s *Store) exec(ctx context.Context, q Querier, st statement, a args) (int64, error) {
	return q.Exec(ctx, s.text(st), st.args(a))
}

// query runs a statement and calls row for each row of its result.
func (s *Store) query(ctx context.Context, q Querier, st statement, a args, row func(Scan) error) error {
	return q.Query(ctx, s.text(st), st.args(a), row)
}

// run runs a script and calls row for each row of its result, unless a step has
// changed so many rows that there is no need for it.
func (s *Store) run(ctx context.Context, q Querier, script prepared, a args, many int, row func(Scan) error) (all bool, err error) {
	for _, st := range script {
		if st.rows {
			if err := s.query(ctx, q, st.statement, a, row); err != nil {
				return false, err
			}
			continue
		}
		n, err := s.exec(ctx, q, st.statement, a)
		if err != nil {
			return false, err
		}
		if st.all && n == int64(many) {
			return true, nil
		}
	}
	return false, nil
}

// runBatch runs a script on a batch and returns the ids that are not in its
// result.
func (s *Store) runBatch(ctx context.Context, q Querier, script prepared, b *batch) ([]string, error) {
	ids := make(map[string]bool, len(b.rows))
	var id string
	column := []any{&id}
	collect := func(scan Scan) error {
		err := scan(column...)
		ids[id] = true
		return err
	}
	if st := script[0]; len(st.values) > 0 {
		for rows := b.rows; len(rows) > 0; {
			var text string
			var list []any
			text, list, rows = st.with(b, rows)
			if err := q.Query(ctx, text, list, collect); err != nil {
				return nil, err
			}
		}
		return missing(b.rows, ids), nil
	}
	a := b.args(s.d.base64)
	a["wake"] = Channel(s.prefix)
	all, err := s.run(ctx, q, script, a, len(b.rows), collect)
	if all || err != nil {
		return nil, err
	}
	return missing(b.rows, ids), nil
}

// text returns the statement's text, which changes each time that the number
// of calls has doubled, where a database keeps plans by the text. PostgreSQL
// would go on with a plan made while the tables were nearly empty, a scan of
// the whole table for each batch, until it happens to analyze them: minutes of
// collapse, at the very beginning. This way no plan is older than half of what
// this Store has done, at no cost, and without a setting of the session, which
// a pooler would lose.
func (s *Store) text(st statement) string {
	if !s.d.keepsPlans {
		return st.text
	}
	return fmt.Sprintf("%s /* plan %d */", st.text, bits.Len64(s.calls.Add(1)))
}
