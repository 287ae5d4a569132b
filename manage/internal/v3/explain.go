package v3

import (
	"context"
	"net/http"
	"slices"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
)

// eventType reads the type of an event, which is required.
func (o object) eventType(c *account.Caller, f *faults) (t webhook.EventType) {
	f.add(o.required("type"))
	f.add(o.read("type", &t, "a string"))
	if !c.Emits(t) {
		f.add(fault(codeInvalid, "type", account.NoSuchType(t)))
	}
	return t
}

// explain says of each webhook whether it gets an event.
func explain(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	var f faults
	object, err := readBody(r, &f, "type", "source", "lists")
	if err != nil {
		return 0, nil, err
	}
	event := object.eventType(c, &f)
	var source webhook.Source
	f.add(object.required("source"))
	f.add(object.read("source", &source, "a string"))
	if !slices.Contains(webhook.Sources(), source) {
		f.add(fault(codeInvalid, "source", "is none of public, admin, api, system"))
	}
	lists, err := object.texts("lists")
	f.add(err)
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	var ids []string
	for _, list := range lists {
		if id := account.ParseListID(list); id != "" {
			ids = append(ids, id)
		}
	}
	explained, err := c.Explain(ctx, event, source, ids)
	if err != nil {
		return 0, nil, err
	}
	type explanationJSON struct {
		Webhook string   `json:"webhook"`
		Name    string   `json:"name"`
		Matches bool     `json:"matches"`
		Reason  string   `json:"reason"`
		Lists   []string `json:"lists"` // of its deliveries, one for each
	}
	list := []explanationJSON{}
	for _, e := range explained {
		list = append(list, explanationJSON{e.Webhook.ID, e.Webhook.Name, e.Matches, e.Reason, append([]string{}, e.Lists...)})
	}
	return http.StatusOK, struct {
		Explanations []explanationJSON `json:"explanations"`
	}{list}, nil
}
