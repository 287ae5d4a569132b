package v1

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/params"
)

// readWebhook takes over the parameters that were sent, all of them also where it returns
// an error.
func readWebhook(c *account.Caller, ps params.Params, w *webhook.Webhook) (err error) {
	if name, ok := ps.Text("name"); ok {
		w.Name = name
	}
	if url, ok := ps.Text("url"); ok {
		w.URL = strings.TrimSpace(url)
	}
	if actions, sent := ps.Names("action"); sent {
		err = c.SetEvents(w, actions)
	}
	if inits, sent := ps.Names("init"); sent {
		account.SetSources(w, inits)
	}
	return err
}

// readLists returns the lists that were sent, each for a webhook of its own; of
// every list, and of none, there is one.
func readLists(ps params.Params) (lists []string, sent bool) {
	lists, sent = ps.Values("lists")
	if slices.Contains(lists, "0") {
		return []string{""}, true
	}
	if len(lists) == 0 {
		lists = []string{""}
	}
	return lists, sent
}

func addWebhooks(ctx context.Context, c *account.Caller, ps params.Params) (reply, string, error) {
	lists, _ := readLists(ps)
	ws := make([]webhook.Webhook, len(lists))
	var err error
	for i, list := range lists {
		ws[i].List, ws[i].Format = list, c.FormatOfNew()
		err = readWebhook(c, ps, &ws[i]) // the same for each
	}
	if len(ws) > c.MaxWebhooks {
		return nil, "", account.LimitError(c.MaxWebhooks)
	}
	var added []webhook.Webhook
	if err == nil {
		added, err = c.Add(ctx, ws...)
	}
	for _, w := range ws {
		err = withProblems(ctx, c, err, webhook.Webhook{}, w)
	}
	if err != nil {
		return nil, "", err
	}
	message := "Webhook added"
	if len(added) > 1 {
		message = fmt.Sprintf("%d webhooks added, one for each list", len(added))
	}
	return reply{{"id", numeral(added[0].ID)}}, message + account.IgnoredNote(added[0]), nil
}

// problems are all that is wrong with a webhook, at most one for each field.
type problems []*webhook.InvalidError

func (ps problems) Error() string {
	texts := make([]string, len(ps))
	for i, bad := range ps {
		texts[i] = paramOf(bad.Field) + " " + bad.Reason
	}
	return strings.Join(texts, "; ")
}

// withProblems returns err. If err is about a field of a webhook that was to change from
// was to w, it returns the problems of w with it.
func withProblems(ctx context.Context, c *account.Caller, err error, was, w webhook.Webhook) error {
	var invalid *webhook.InvalidError
	var all problems
	switch {
	case errors.As(err, &invalid):
		all = problems{invalid}
	case !errors.As(err, &all):
		return err
	}
	more, err := c.Problems(ctx, was, w)
	for _, bad := range more {
		if !slices.ContainsFunc(all, func(known *webhook.InvalidError) bool { return known.Field == bad.Field }) {
			all = append(all, bad)
		}
	}
	if err != nil {
		return err
	}
	return all
}

// numeral returns an id as a number if it is one that clients can read.
func numeral(id string) any {
	if n, err := strconv.ParseInt(id, 10, 54); err == nil && n > 0 && strconv.FormatInt(n, 10) == id {
		return int(n)
	}
	return id
}

func editWebhook(ctx context.Context, c *account.Caller, ps params.Params) (reply, string, error) {
	id, err := readID(ps)
	if err != nil {
		return nil, "", err
	}
	var was, changed webhook.Webhook
	w, err := c.Edit(ctx, id, func(w *webhook.Webhook) error {
		was = *w
		err := readWebhook(c, ps, w)
		// An edit makes no further webhooks: of several lists the webhook keeps its own.
		if lists, sent := readLists(ps); sent && !slices.Contains(lists, w.List) {
			w.List = lists[0]
		}
		changed = *w
		return err
	})
	if changed.ID != "" { // else it could not even be read
		err = withProblems(ctx, c, err, was, changed)
	}
	if err != nil {
		return nil, "", err
	}
	message := "Webhook updated"
	if _, sent := ps.Values("action"); sent {
		message += account.IgnoredNote(w)
	}
	return reply{{"id", numeral(w.ID)}}, message, nil
}

func readID(ps params.Params) (string, error) {
	id := ps.First("id")
	if id == "" {
		return "", mistake("id is missing")
	}
	return id, nil
}

func viewWebhook(ctx context.Context, c *account.Caller, ps params.Params) (reply, string, error) {
	id, err := readID(ps)
	if err != nil {
		return nil, "", err
	}
	w, err := c.Webhook(ctx, id)
	if err != nil {
		return nil, "", err
	}
	return rowOf(c, w), "Success: Something is returned", nil
}

func listWebhooks(ctx context.Context, c *account.Caller, ps params.Params) (reply, string, error) {
	ws, err := c.Filtered(ctx, account.Filter{
		Name: ps.First("filters[name]"), URL: ps.First("filters[url]"), List: ps.First("filters[listid]"),
	})
	if err != nil {
		return nil, "", err
	}
	ids, some := readIDs(ps)
	var r reply
	for _, w := range ws {
		if !some || ids[w.ID] {
			r = append(r, replyField{strconv.Itoa(len(r)), rowOf(c, w)})
		}
	}
	if len(r) == 0 {
		return r, "Success: there are no webhooks", nil
	}
	return r, "Success: Something is returned", nil
}

// readIDs returns the ids that were named; some is false when it is all of them,
// or when none were sent.
func readIDs(ps params.Params) (ids map[string]bool, some bool) {
	values, sent := ps.Values("ids")
	ids = map[string]bool{}
	for _, id := range values {
		if id == "all" {
			return nil, false
		}
		ids[id] = true
	}
	return ids, sent
}

// rowOf is a webhook as the older API shows it. Flags are numbers, so that they
// are false where they mean it; the rest are texts.
func rowOf(c *account.Caller, w webhook.Webhook) reply {
	w = c.Shown(w)
	r := reply{
		{"id", w.ID}, {"name", w.Name}, {"cdate", w.Created.In(c.Zone()).Format("2006-01-02 15:04:05")},
		{"listid", account.ListID(w)}, {"url", w.URL},
	}
	types := webhook.EventTypes() // clients read these, whether the app emits them or not
	for _, t := range c.Types() {
		if !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	for _, t := range types {
		r = append(r, replyField{string(t), flag(w.Events, t)})
	}
	for _, s := range webhook.Sources() {
		r = append(r, replyField{"init_" + string(s), flag(w.Sources, s)})
	}
	if why := w.Unreadable(); why != "" { // ActiveCampaign has no such field
		r = append(r, replyField{"unreadable", why})
	}
	return r
}

func deleteWebhook(ctx context.Context, c *account.Caller, ps params.Params) (reply, string, error) {
	id, err := readID(ps)
	if err != nil {
		return nil, "", err
	}
	if err := c.Delete(ctx, id); err != nil {
		return nil, "", err
	}
	return nil, "Webhook deleted", nil
}

func deleteWebhooks(ctx context.Context, c *account.Caller, ps params.Params) (reply, string, error) {
	ids, some := readIDs(ps)
	if _, sent := ps.Values("ids"); !sent || some && len(ids) == 0 {
		return nil, "", mistake("ids is missing")
	}
	ws, err := c.Webhooks(ctx)
	if err != nil {
		return nil, "", err
	}
	var deleted int
	for _, w := range ws {
		if some && !ids[w.ID] {
			continue
		}
		if err := c.Delete(ctx, w.ID); err != nil && !errors.Is(err, webhook.ErrNotFound) {
			return nil, "", err
		}
		deleted++
	}
	switch unknown := len(ids) - deleted; {
	case !some && deleted == 0:
		return nil, "Success: there are no webhooks", nil
	case !some || unknown == 0:
		return nil, webhooks(deleted) + " deleted", nil
	case deleted > 0:
		verb, were := "name", "were"
		if unknown == 1 {
			verb = "names"
		}
		if deleted == 1 {
			were = "was"
		}
		return nil, "", mistake(fmt.Sprintf("of %d ids, %d %s no webhook of the account; %s %s deleted",
			len(ids), unknown, verb, webhooks(deleted), were))
	case len(ids) == 1:
		return nil, "", mistake("ids names no webhook of the account")
	default:
		return nil, "", mistake(fmt.Sprintf("none of the %d ids names a webhook of the account", len(ids)))
	}
}

// webhooks returns a number of webhooks in words.
func webhooks(n int) string {
	if n == 1 {
		return "1 webhook"
	}
	return strconv.Itoa(n) + " webhooks"
}

func flag[T comparable](values []T, value T) int {
	if slices.Contains(values, value) {
		return 1
	}
	return 0
}
