package v3

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
)

// explain says of each webhook whether it gets an event.
func explain(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	object, err := readBody(r, "type", "source", "lists")
	if err != nil {
		return 0, nil, err
	}
	var event webhook.EventType
	var source webhook.Source
	if err := object.read("type", &event, "a string"); err != nil {
		return 0, nil, err
	}
	if err := object.read("source", &source, "a string"); err != nil {
		return 0, nil, err
	}
	var lists []json.RawMessage
	if err := object.read("lists", &lists, "an array"); err != nil {
		return 0, nil, err
	}
	var ids []string
	for _, value := range lists {
		id, err := listID(value)
		if err != nil {
			return 0, nil, fault(codeInvalid, "lists", "holds what is no id")
		}
		if id != "" {
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
