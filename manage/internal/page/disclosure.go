package page

import (
	"slices"
	"strings"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
)

// customFields are the account's custom fields, with those of ids that the app does
// not name any more; nil if it names none at all.
func (p *pageRequest) customFields(ids []string) ([]account.Field, error) {
	fields, err := p.Fields(p.r.Context())
	if err != nil || len(fields) == 0 {
		return nil, err
	}
	fields = slices.Clone(fields)
	for _, id := range ids {
		if !slices.ContainsFunc(fields, func(f account.Field) bool { return f.ID == id }) {
			fields = append(fields, account.Field{ID: id, Title: p.lang.Text("Field {id}", "id", id)})
		}
	}
	return fields, nil
}

// typedIDs reads IDs of custom fields, each by itself or several on lines.
func typedIDs(texts []string) []string {
	var ids []string
	for _, text := range texts {
		for line := range strings.Lines(text) {
			if id := strings.TrimSpace(line); id != "" && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// formField returns the field of the form at which an error of a webhook's field is
// shown.
func formField(field string) string {
	if field == "FieldIDs" {
		return "Disclosure"
	}
	return field
}

// disclosed says what is left out of a webhook's bodies.
func (p *pageRequest) disclosed(w webhook.Webhook) (string, error) {
	switch w.Disclosure {
	case "", webhook.DiscloseAll:
		return p.lang.Text("everything is sent"), nil
	case webhook.DiscloseFields:
		if len(w.FieldIDs) == 0 {
			return p.lang.Text("custom fields are left out"), nil
		}
		fields, err := p.customFields(w.FieldIDs)
		names := slices.Clone(w.FieldIDs)
		for i, id := range names {
			if at := slices.IndexFunc(fields, func(f account.Field) bool { return f.ID == id }); at >= 0 {
				names[i] = fields[at].Title
			}
		}
		return p.lang.Text("custom fields are left out, except {names}", "names", strings.Join(names, ", ")), err
	}
	return p.lang.Text("only ID and email address are sent"), nil
}
