package page

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/label"
	"github.com/listhook/webhook/manage/internal/text"
)

// An explainView says why an event did not come.
type explainView struct {
	Types     []choice
	Sources   []choice
	Lists     chooser
	KnowsAny  bool
	List      string // as typed, when the lists have no names
	Type      webhook.EventType
	Asked     bool
	Explained []explained
	Gets      int // webhooks that get it
	Hidden    int // that are not shown
	Error     string
}

// explainRows is how many webhooks are shown: those that get the event come first.
const explainRows = 100

// explained says whether a webhook gets an event, and why not.
type explained struct {
	Webhook webhook.Webhook
	Matches bool
	Reason  string
}

func (p *pageRequest) explainView() error {
	query := p.r.URL.Query()
	lists, known, err := p.Lists(p.r.Context())
	if err != nil {
		return err
	}
	out := explainView{
		Type: webhook.EventType(query.Get("event")), Asked: query.Has("event") && !finding(query, "list"),
		List: strings.TrimSpace(query.Get("list")), KnowsAny: !known,
	}
	out.Types = choices(p.lang, p.types(), out.Type)
	out.Sources = choices(p.lang, p.sources(), webhook.Source(query.Get("source")))
	out.Lists = offer("list", query, p.listChoices(lists, ""), out.List)
	status := http.StatusOK
	if out.Asked {
		var on []string
		if out.List != "" {
			on = []string{out.List}
		}
		all, err := p.Explain(p.r.Context(), out.Type, webhook.Source(query.Get("source")), on)
		var invalid *webhook.InvalidError
		if errors.As(err, &invalid) {
			out.Error, err, status = p.problem(invalid, ""), nil, http.StatusUnprocessableEntity
		}
		if err != nil {
			return err
		}
		out.Gets = len(slices.DeleteFunc(slices.Clone(all), func(e webhook.Explanation) bool { return !e.Matches }))
		slices.SortStableFunc(all, func(a, b webhook.Explanation) int {
			switch {
			case a.Matches == b.Matches:
				return 0
			case a.Matches:
				return -1
			}
			return 1
		})
		out.Hidden = max(len(all)-explainRows, 0)
		for _, e := range all[:len(all)-out.Hidden] {
			out.Explained = append(out.Explained, explained{e.Webhook, e.Matches, p.sentence(e.Reason)})
		}
	}
	return p.render(status, "explain", p.lang.Text("Troubleshoot a missing event"), out)
}

// A sample is what a receiver gets of an event type.
type sample struct {
	Type    webhook.EventType
	Meaning text.Message
	bodyView
}

// samplesShown is how many types of events are shown at once.
const samplesShown = 12

func (p *pageRequest) samples() error {
	format := webhook.Format(p.r.URL.Query().Get("format"))
	if !slices.Contains(webhook.Formats(), format) {
		format = webhook.Format2013
	}
	types, chosen := p.Types(), webhook.EventType(p.r.URL.Query().Get("event"))
	var offered []choice
	if len(types) > samplesShown { // one at a time
		if !p.Emits(chosen) {
			chosen = types[0]
		}
		types, offered = []webhook.EventType{chosen}, choices(p.lang, p.types(), chosen)
	}
	var all []sample
	for _, t := range types {
		all = append(all, sample{t, typeMeanings[t], bodyViewOf(p.SampleBody(t, format))})
	}
	return p.render(http.StatusOK, "samples", p.lang.Text("Example payloads"), struct {
		Formats []choice
		Types   []choice // nil: all are shown
		JSON    bool
		Samples []sample
	}{choices(p.lang, label.Formats, format), offered, format == webhook.FormatJSON, all})
}
