package page

import (
	"cmp"
	"slices"
	"strings"

	"github.com/listhook/webhook"
)

// customFields are the account's custom fields, with those of ids that the app does
// not name any more; nil if it names none at all.
func (p *pageRequest) customFields(ids []string) ([]choice, error) {
	fields, err := p.Fields(p.r.Context())
	if err != nil || len(fields) == 0 {
		return nil, err
	}
	all, named := make([]choice, 0, len(fields)+len(ids)), make(map[string]bool, len(fields))
	for _, f := range fields {
		all, named[f.ID] = append(all, choice{Value: f.ID, Text: cmp.Or(f.Title, f.ID)}), true
	}
	for _, id := range ids {
		if !named[id] {
			all = append(all, choice{Value: id, Text: p.lang.Text("Field {id}", "id", id)})
		}
	}
	return all, nil
}

// fieldNames returns the titles of custom fields, as many as are shown.
func (p *pageRequest) fieldNames(ids []string) ([]string, error) {
	shown := slices.Clone(ids[:min(len(ids), shownNames)])
	fields, err := p.customFields(shown)
	for i, id := range shown {
		if at := slices.IndexFunc(fields, func(f choice) bool { return f.Value == id }); at >= 0 {
			shown[i] = shortened(fields[at].Text)
		}
	}
	return p.andMore(shown, len(ids)), err
}

// shownNames is how many chosen things are named where they are not edited.
const shownNames = 20

// firstOf returns the first names, and how many others there are; all if one more is all.
func (p *pageRequest) firstOf(names []string, most int) []string {
	if len(names) <= most+1 {
		return names
	}
	return p.andMore(names[:most], len(names))
}

// andMore ends a list of names by how many of all are not among them.
func (p *pageRequest) andMore(names []string, all int) []string {
	if all <= len(names) {
		return names
	}
	return append(slices.Clip(names), p.lang.Text("{n, plural, one {and one more} other {and # more}}", "n", all-len(names)))
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
	switch field {
	case "FieldIDs":
		return "Disclosure"
	case "BatchWait":
		return "Batch"
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
		names, err := p.fieldNames(w.FieldIDs)
		return p.lang.Text("custom fields are left out, except {names}", "names", strings.Join(names, ", ")), err
	}
	return p.lang.Text("only ID and email address are sent"), nil
}
