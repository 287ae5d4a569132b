package v1

import (
	"context"
	"strconv"
	"strings"

	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/label"
	"github.com/listhook/webhook/manage/internal/params"
)

// listEvents describes the app's events by their samples: the names are read from the
// very bodies that are sent.
func listEvents(_ context.Context, c *account.Caller, _ params.Params) (reply, string, error) {
	var r reply
	labels := label.OfTypes(c.Catalogue())
	for _, t := range c.Types() {
		if !c.Limits.AllowsEvent(t) {
			continue
		}
		body := c.SampleBody(t, c.FormatOfNew())
		var fields reply
		for _, p := range params.OfDelivery(body) {
			nest(&fields, keyPath(p.Key))
		}
		r = append(r, replyField{strconv.Itoa(len(r)), reply{
			{"description", label.Find(labels, t).English()},
			{"db_field", string(t)},
			{"fields", fields},
			{"example_response", string(body)},
		}})
	}
	return r, "Success: Something is returned", nil
}

// keyPath splits the key of a form as PHP does, subscriber[fields][7], and that of a
// body in JSON, contact.fields.7.
func keyPath(key string) []string {
	if strings.Contains(key, ".") {
		return strings.Split(key, ".")
	}
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
