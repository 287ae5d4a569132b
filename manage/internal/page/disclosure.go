package page

import (
	"slices"
	"strings"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/label"
)

// customFields are the account's custom fields, with those of ids that the app does
// not name any more; nil if it names none at all.
func (p *pageRequest) customFields(ids []string) ([]label.Label, error) {
	fields, err := p.Fields(p.r.Context())
	if err != nil || len(fields) == 0 {
		return nil, err
	}
	labels := make([]label.Label, len(fields))
	for i, f := range fields {
		labels[i] = label.Label{Value: f.ID, Text: f.Title}
	}
	for _, id := range ids {
		if !slices.ContainsFunc(labels, func(l label.Label) bool { return l.Value == id }) {
			labels = append(labels, label.Label{Value: id, Text: "Field " + id})
		}
	}
	return labels, nil
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
		return "all that is known is sent", nil
	case webhook.DiscloseFields:
		if len(w.FieldIDs) == 0 {
			return "custom fields are left out", nil
		}
		fields, err := p.customFields(w.FieldIDs)
		var names []string
		for _, id := range w.FieldIDs {
			names = append(names, label.TextOf(fields, id))
		}
		return "custom fields are left out, except " + strings.Join(names, ", "), err
	}
	return "only ID and email address are sent; name, IP address, phone, organization, tags and custom fields are left out", nil
}
