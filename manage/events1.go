package manage

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/listhook/webhook"
)

func flag[T comparable](values []T, value T) int {
	if slices.Contains(values, value) {
		return 1
	}
	return 0
}

// events1 describes the nine by their samples: the names are read from the
// very bodies that are sent.
func (a *account) events1(context.Context, params) (reply, string, error) {
	var r reply
	for _, t := range webhook.EventTypes() {
		body := webhook.SampleBody(t, a.opts.DefaultFormat)
		var fields reply
		for _, p := range bodyParams(body) {
			nest(&fields, keyPath(p.Key))
		}
		r = append(r, replyField{strconv.Itoa(len(r)), reply{
			{"description", labelOf(typeLabels, t)},
			{"db_field", string(t)},
			{"fields", fields},
			{"example_response", string(body)},
		}})
	}
	return r, "Success: Something is returned", nil
}

// bodyParams returns what a body of a delivery holds, in its order; of one that
// cannot be read, nothing.
func bodyParams(body []byte) params {
	ps, _ := parseParams(string(body))
	return ps
}

// keyPath splits the key of a form as PHP does: subscriber[fields][7].
func keyPath(key string) []string {
	head, rest, nested := strings.Cut(key, "[")
	if !nested {
		return []string{key}
	}
	return append([]string{head}, strings.Split(strings.TrimSuffix(rest, "]"), "][")...)
}

// nest puts a path of keys into r; the last one stands for itself.
func nest(r *reply, path []string) {
	if len(path) == 1 {
		r.set(path[0], path[0])
		return
	}
	var inner reply
	for _, f := range *r {
		if f.key == path[0] {
			inner, _ = f.value.(reply)
		}
	}
	nest(&inner, path[1:])
	r.set(path[0], inner)
}
