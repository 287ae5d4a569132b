package page

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/listhook/webhook/manage/internal/account"
)

// A chooser offers what the app names, such as lists: all entries, or, where there are
// many, the chosen ones and those that a search finds. A button of the form searches, so no script is
// needed.
type chooser struct {
	Field   string // of the form; its search is Field + "_search"
	Choices []choice
	Large   bool   // there are more than Choices
	Total   int    // how many there are
	Search  string // as typed
	Matches int    // of Search
	Listed  int    // of those that match, in Choices
	Finding bool   // the form was sent to search
	Hidden  string // what is chosen and not among Choices, a line each
}

// chooserRows is how many choices are offered beside those that are chosen, and how many
// of those that are chosen are shown.
const chooserRows = 100

// offer returns a chooser of entries for a field of a form. What is chosen comes first,
// if there is more than can be shown.
func offer(field string, form url.Values, entries []choice, chosen ...string) chooser {
	c := chooser{Field: field, Total: len(entries), Large: len(entries) > chooserRows, Finding: finding(form, field)}
	if !c.Large {
		for _, e := range entries {
			e.Chosen = slices.Contains(chosen, e.Value)
			c.Choices = append(c.Choices, e.short())
		}
		return c
	}
	isChosen := make(map[string]bool, len(chosen))
	for _, value := range chosen {
		isChosen[value] = true
	}
	c.Search = strings.TrimSpace(form.Get(field + "_search"))
	lower := strings.ToLower(c.Search)
	var first, found []choice
	var hidden []string
	for _, e := range entries {
		matches := lower == "" || strings.EqualFold(e.Value, c.Search) || strings.Contains(strings.ToLower(e.Text), lower)
		if matches {
			c.Matches++
		}
		switch e.Chosen = isChosen[e.Value]; {
		case matches && len(found) < chooserRows && (lower != "" || !e.Chosen):
			found = append(found, e.short())
		case e.Chosen && len(first) < chooserRows:
			first = append(first, e.short())
		case e.Chosen:
			hidden = append(hidden, e.Value)
		}
	}
	c.Listed, c.Hidden = len(found), strings.Join(hidden, "\n")
	c.Choices = append(first, found...)
	return c
}

// short returns a choice without the end of a long text.
func (c choice) short() choice {
	c.Text = shortened(c.Text)
	return c
}

// MoreChosen is how many chosen ones are not shown.
func (c chooser) MoreChosen() int {
	if c.Hidden == "" {
		return 0
	}
	return strings.Count(c.Hidden, "\n") + 1
}

// finding reports whether a form was sent to search for what a field offers: by its
// button, or with the Enter key after a text was typed.
func finding(form url.Values, fields ...string) bool {
	return slices.ContainsFunc(fields, func(field string) bool {
		return form.Get("find") == field ||
			strings.TrimSpace(form.Get(field+"_search")) != strings.TrimSpace(form.Get(field+"_searched"))
	})
}

// showFound shows a form of a webhook again, as it was typed, with what was searched for.
func (p *pageRequest) showFound(f form) error {
	f.Errors, f.Webhook.Revision = nil, p.revision()
	f.Webhook.FieldIDs = typedIDs(p.r.PostForm["field_id"])
	return p.showForm(http.StatusOK, f)
}

// listChoices are the lists as choices, with the one that a webhook has though the app
// names it no more.
func (p *pageRequest) listChoices(lists []account.List, chosen string) []choice {
	all := make([]choice, 0, len(lists)+1)
	for _, l := range lists {
		all = append(all, choice{Value: l.ID, Text: cmp.Or(l.Name, l.ID)})
	}
	if chosen != "" && !account.HasList(lists, chosen) {
		all = append(all, choice{Value: chosen, Text: p.listName(nil, chosen)})
	}
	return all
}
