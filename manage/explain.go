package manage

import (
	"errors"
	"net/http"
	"strings"

	"github.com/listhook/webhook"
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

func (v *visit) explainView() error {
	query := v.r.URL.Query()
	lists, known, err := v.lists(v.r.Context())
	if err != nil {
		return err
	}
	out := explainView{
		Type: webhook.EventType(query.Get("event")), Asked: query.Has("event"),
		List: strings.TrimSpace(query.Get("list")), KnowsAny: !known,
	}
	out.Types = choices(typeLabels, out.Type)
	out.Sources = choices(sourceLabels, webhook.Source(query.Get("source")))
	for _, l := range lists {
		out.Lists = append(out.Lists, choice{label{l.ID, l.Name}, l.ID == out.List})
	}
	status := http.StatusOK
	if out.Asked {
		var on []string
		if out.List != "" {
			on = []string{out.List}
		}
		out.Explained, err = v.explain(v.r.Context(), out.Type, webhook.Source(query.Get("source")), on)
		var invalid *webhook.InvalidError
		if errors.As(err, &invalid) {
			out.Error, err, status = sentence(invalid), nil, http.StatusUnprocessableEntity
		}
		if err != nil {
			return err
		}
	}
	return v.render(status, "explain", "Why did it not come?", out)
}

// A sample is what a receiver gets of one of the nine.
type sample struct {
	Type   webhook.EventType
	Params params
	Body   string
}

func (v *visit) samples() error {
	format := webhook.Format(v.r.URL.Query().Get("format"))
	if format != webhook.FormatCurrent {
		format = webhook.Format2013
	}
	var all []sample
	for _, t := range webhook.EventTypes() {
		body := webhook.SampleBody(t, format)
		all = append(all, sample{t, bodyParams(body), string(body)})
	}
	return v.render(http.StatusOK, "samples", "What is sent", struct {
		Formats []choice
		Samples []sample
	}{choices(formatLabels, format), all})
}
