package sqlstore

import (
	"context"
	"fmt"
	"math/bits"
	"regexp"
	"strings"
)

// A statement is SQL with its parameters' names in the order of its
// placeholders.
type statement struct {
	text  string
	names []string
}

// args are a statement's arguments by name.
type args map[string]any

var parameter = regexp.MustCompile(`@[a-z]+`)

// prepare makes a statement of SQL in which {} stands for the prefix of the
// tables' names and @name for an argument.
func (d *dialect) prepare(prefix, text string) statement {
	st := statement{}
	text = strings.ReplaceAll(strings.TrimSpace(text), "{}", prefix)
	st.text = parameter.ReplaceAllStringFunc(text, func(name string) string {
		name = name[1:]
		if d.numbered == "" {
			st.names = append(st.names, name)
			return "?"
		}
		for i, n := range st.names {
			if n == name {
				return fmt.Sprint(d.numbered, i+1)
			}
		}
		st.names = append(st.names, name)
		return fmt.Sprint(d.numbered, len(st.names))
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

// exec runs a statement and returns how many rows it changed.
func (s *Store) exec(ctx context.Context, q Querier, st statement, a args) (int64, error) {
	return q.Exec(ctx, s.text(st), st.args(a))
}

// query runs a statement and calls row for each row of its result.
func (s *Store) query(ctx context.Context, q Querier, st statement, a args, row func(Scan) error) error {
	return q.Query(ctx, s.text(st), st.args(a), row)
}

// run runs a script and calls row for each row of its result.
func (s *Store) run(ctx context.Context, q Querier, script prepared, a args, row func(Scan) error) error {
	for _, st := range script {
		var err error
		if st.rows {
			err = s.query(ctx, q, st.statement, a, row)
		} else {
			_, err = s.exec(ctx, q, st.statement, a)
		}
		if err != nil {
			return err
		}
	}
	return nil
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
