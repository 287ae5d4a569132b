package page

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/text"
)

// A batchSize is a ready choice of how many events one request brings.
type batchSize struct {
	value string
	most  int // in JSON; a form has at most mostInForm
	wait  time.Duration
}

// mostInForm is how many events a form may bring.
const mostInForm = 100

var batchSizes = []batchSize{
	{"one", 0, 0},
	{"small", 100, 5 * time.Second},
	{"large", 500, 50 * time.Second},
}

// in is the size for a format.
func (b batchSize) in(f webhook.Format) (most int, wait time.Duration) {
	if f != webhook.FormatJSON {
		return min(b.most, mostInForm), b.wait
	}
	return b.most, b.wait
}

// batchText says how many events one request brings.
func batchText(lang *text.Language, most int, wait time.Duration) string {
	switch {
	case most < 2:
		return lang.Text("One event")
	case wait == 0:
		return lang.Text("Up to {n} events that happen at the same time", "n", most)
	}
	return lang.Text("Up to {n} events, or all events within {time}", "n", most, "time", wait)
}

// batchOf is the choice that a webhook has: "own" if the API set another one.
func batchOf(w webhook.Webhook) string {
	most := w.Batch
	if most == 1 {
		most = 0
	}
	for _, b := range batchSizes {
		if n, wait := b.in(w.Format); n == most && wait == w.BatchWait {
			return b.value
		}
	}
	return "own"
}

// batchChoices are the ready sizes, and the webhook's own if it is none of them.
func (p *pageRequest) batchChoices(w webhook.Webhook) []choice {
	chosen := batchOf(w)
	var all []choice
	for _, b := range batchSizes {
		one := choice{b.value, batchText(p.lang, b.most, b.wait), chosen == b.value}
		if b.most > mostInForm {
			one.Text = p.lang.Text("Up to {n} events ({form} in a form), or all events within {time}",
				"n", b.most, "form", mostInForm, "time", b.wait)
		}
		all = append(all, one)
	}
	if chosen == "own" {
		all = append(all, choice{chosen, batchText(p.lang, w.Batch, w.BatchWait), true})
	}
	return all
}

// setBatch takes over a choice. Its size follows the format, which may have changed.
func setBatch(w *webhook.Webhook, chosen string) {
	i := slices.IndexFunc(batchSizes, func(b batchSize) bool { return b.value == chosen })
	if i >= 0 {
		w.Batch, w.BatchWait = batchSizes[i].in(w.Format)
	}
}

// batchValue is a text that is equal for equal choices.
func batchValue(w webhook.Webhook) string {
	if chosen := batchOf(w); chosen != "own" {
		return chosen
	}
	return fmt.Sprint(w.Batch, " ", w.BatchWait)
}

// A batchView is what an attempt shows of the request that brought several deliveries.
type batchView struct {
	ID     string
	Number int
	First  string   // the delivery that has the answer; "": this one
	Others []string // deliveries, the first so many
	More   int      // further ones
}

// shownMembers is how many other deliveries of a request an attempt names.
const shownMembers = 20

// batchFirsts returns the deliveries whose logs hold what attempts say of their requests and
// have not themselves, by ID.
func (p *pageRequest) batchFirsts(log []webhook.Attempt) (map[string]webhook.Delivery, error) {
	var ids []string
	for _, a := range log {
		if a.Batch != "" && a.First != "" && !slices.Contains(ids, a.First) {
			ids = append(ids, a.First)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	ds, _, err := p.Deliveries(p.r.Context(), webhook.DeliveryQuery{IDs: ids})
	firsts := make(map[string]webhook.Delivery, len(ds))
	for _, d := range ds {
		firsts[d.ID] = d
	}
	return firsts, err
}

// batchOfAttempt returns what an attempt of a delivery shows of its request, and gives it the
// answer, which stands in the log of the request's first delivery; nil: it brought no others.
func batchOfAttempt(id string, a *webhook.Attempt, firsts map[string]webhook.Delivery) *batchView {
	if a.Batch == "" {
		return nil
	}
	view := &batchView{ID: a.Batch, First: a.First}
	members := a.Members
	for _, entry := range firsts[a.First].Log {
		if entry.Batch == a.Batch && entry.Start.Equal(a.Start) {
			members, a.Response, a.Detail = entry.Members, entry.Response, entry.Detail
		}
	}
	view.Number = cmp.Or(len(members), 1)
	members = slices.DeleteFunc(slices.Clone(members), func(member string) bool { return member == id })
	shown := min(len(members), shownMembers)
	view.Others, view.More = members[:shown], len(members)-shown
	return view
}
