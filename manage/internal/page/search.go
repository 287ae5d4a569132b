package page

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
)

// searched returns a page of the account's webhooks, those after an ID, and one more if
// there is one: of those whose name, ID or URL contains a text. A password is not
// searched.
func searched(ws []webhook.Webhook, search, after string) []webhook.Webhook {
	search = strings.ToLower(search)
	var found []webhook.Webhook
	for _, w := range ws {
		if w.ID > after && strings.Contains(strings.ToLower(w.Name+"\n"+w.ID+"\n"+account.HidePassword(w.URL)), search) {
			if found = append(found, w); len(found) > overviewPage {
				break
			}
		}
	}
	return found
}

// webhookNamed returns the ID of the webhook with this ID, this name or, if it is the only
// one, with this text in its name. It notes an error if there is none or there are several,
// which are then to choose from.
func (p *pageRequest) webhookNamed(out *logView, typed string) (id string, err error) {
	if out.Webhook = typed; typed == "" {
		return "", nil
	}
	ws, err := p.Query(p.r.Context(), webhook.WebhookQuery{IDs: []string{typed}})
	if err != nil {
		return "", err
	}
	if len(ws) == 1 {
		out.Named = ws[0].Name
		return typed, nil
	}
	if ws, err = p.Webhooks(p.r.Context()); err != nil {
		return "", err
	}
	named := func(w webhook.Webhook) bool { return strings.EqualFold(w.Name, typed) }
	if slices.ContainsFunc(ws, named) {
		ws = slices.DeleteFunc(ws, func(w webhook.Webhook) bool { return !named(w) })
	} else {
		ws = slices.DeleteFunc(ws, func(w webhook.Webhook) bool {
			return !strings.Contains(strings.ToLower(w.Name), strings.ToLower(typed))
		})
	}
	switch {
	case len(ws) == 1:
		out.Named = ws[0].Name
		return ws[0].ID, nil
	case len(ws) == 0:
		out.Errors["Webhook"] = p.lang.Text("No webhook has this name or ID.")
	case len(ws) > logWebhooks:
		out.Errors["Webhook"] = p.lang.Text("{n} webhooks have this in their name: enter more of the name, or an ID.", "n", len(ws))
	default:
		out.Errors["Webhook"] = p.lang.Text("Several webhooks match: choose one.")
		for _, w := range ws {
			out.Webhooks = append(out.Webhooks, choice{Value: w.ID, Text: p.nameOf(w) + " · " + hostOf(w.URL) + " · " + w.ID})
		}
	}
	return "", nil
}

// A foundWebhook is a webhook that the operator searched for.
type foundWebhook struct {
	webhook.Webhook
	Status status
	Host   string
}

// operatorSearch is how many webhooks of a database are searched by name and host.
// Accounts and IDs are found among all.
const operatorSearch = 10_000

// searchAll finds the webhooks of an account, the one with an ID, and those whose name or
// host contains the text.
func (p *pageRequest) searchAll(search string) (out operatorView, err error) {
	ds, err := p.allDispatchers()
	if err != nil {
		return out, err
	}
	out.Search, out.Databases = search, len(ds)
	ctx, cancel := p.operatorContext(len(ds))
	defer cancel()
	theirs := make(chan []webhook.Webhook, 1)
	go func() { theirs <- p.accountsWebhooks(ctx, search) }() // it ends when ctx does
	type read struct{ byID, all []webhook.Webhook }
	most := max(operatorSearch/max(len(ds), 1), 1)
	reads := askAll(ctx, ds, func(d *webhook.Dispatcher) (r read, err error) {
		if r.byID, err = d.Webhooks(ctx, webhook.WebhookQuery{All: true, IDs: []string{search}}); err == nil {
			r.all, err = d.Webhooks(ctx, webhook.WebhookQuery{All: true, Limit: most + 1})
		}
		return r, err
	})
	if len(ds) == 1 && reads[0].err != nil {
		return out, reads[0].err
	}
	exact := <-theirs
	lower := strings.ToLower(search) // a database that has not answered may still read search
	for _, r := range reads {
		if r.err != nil {
			p.LogFault(p.r.Context(), "webhook: the operator's search leaves out a database", r.err)
			out.Silent++
			continue
		}
		out.Cut = out.Cut || len(r.value.all) > most
		exact = append(exact, r.value.byID...)
		exact = append(exact, slices.DeleteFunc(r.value.all, func(w webhook.Webhook) bool {
			return !strings.Contains(strings.ToLower(w.Name+"\n"+hostOf(w.URL)), lower)
		})...)
	}
	seen := map[string]bool{}
	for _, w := range exact {
		if len(out.Found) == operatorShow {
			out.Cut = true
			break
		}
		if key := w.Account + "\n" + w.ID; !seen[key] {
			seen[key] = true
			out.Found = append(out.Found, foundWebhook{w, p.statusOf(w, webhook.Delivery{}), hostOf(w.URL)})
		}
	}
	return out, nil
}

// accountsWebhooks returns the first webhooks of an account, none if there is no
// such account, or if it cannot be asked for now.
func (p *pageRequest) accountsWebhooks(ctx context.Context, name string) []webhook.Webhook {
	ws := await(ctx, func() ([]webhook.Webhook, error) {
		theirs, err := p.In(ctx, name)
		if err != nil {
			return nil, err
		}
		return theirs.Query(ctx, webhook.WebhookQuery{Limit: operatorShow + 1})
	})
	if ws.err != nil && !errors.Is(ws.err, webhook.ErrNotFound) { // its database is then among those that do not answer
		p.LogFault(p.r.Context(), "webhook: the operator's search leaves out an account", ws.err)
	}
	return ws.value
}
