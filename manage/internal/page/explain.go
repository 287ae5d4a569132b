package page

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/label"
	"github.com/listhook/webhook/manage/internal/params"
)

// An explainView says why an event did not come.
type explainView struct {
	Types     []choice
	Sources   []choice
	Lists     []choice
	KnowsAny  bool
	List      string // as typed, when the lists have no names
	Type      webhook.EventType
	Asked     bool
	Explained []webhook.Explanation
	Error     string
}

func (p *pageRequest) explainView() error {
	query := p.r.URL.Query()
	lists, known, err := p.Lists(p.r.Context())
	if err != nil {
		return err
	}
	out := explainView{
		Type: webhook.EventType(query.Get("event")), Asked: query.Has("event"),
		List: strings.TrimSpace(query.Get("list")), KnowsAny: !known,
	}
	out.Types = choices(label.Types, out.Type)
	out.Sources = choices(label.Sources, webhook.Source(query.Get("source")))
	for _, l := range lists {
		out.Lists = append(out.Lists, choice{label.Label{Value: l.ID, Text: l.Name}, l.ID == out.List})
	}
	status := http.StatusOK
	if out.Asked {
		var on []string
		if out.List != "" {
			on = []string{out.List}
		}
		out.Explained, err = p.Explain(p.r.Context(), out.Type, webhook.Source(query.Get("source")), on)
		var invalid *webhook.InvalidError
		if errors.As(err, &invalid) {
			out.Error, err, status = sentence(invalid), nil, http.StatusUnprocessableEntity
		}
		if err != nil {
			return err
		}
	}
	return p.render(status, "explain", "Why did it not come?", out)
}

// A sample is what a receiver gets of one of the nine.
type sample struct {
	Type   webhook.EventType
	Params params.Params
	Body   string
}

func (p *pageRequest) samples() error {
	format := webhook.Format(p.r.URL.Query().Get("format"))
	if !slices.Contains(webhook.Formats(), format) {
		format = webhook.Format2013
	}
	var all []sample
	for _, t := range webhook.EventTypes() {
		body := webhook.SampleBody(t, format)
		all = append(all, sample{t, params.OfDelivery(body), string(body)})
	}
	return p.render(http.StatusOK, "samples", "What is sent", struct {
		Formats []choice
		JSON    bool
		Samples []sample
	}{choices(label.Formats, format), format == webhook.FormatJSON, all})
}
