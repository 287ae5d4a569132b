package main

import (
	"cmp"
	"crypto/subtle"
	"errors"
	"net/http"
	"strconv"

	"github.com/listhook/webhook"
)

func (a *app) startPage(v *visit) error {
	ws, err := a.Webhooks(v.r.Context(), webhook.WebhookQuery{})
	if err != nil {
		return err
	}
	return v.render("start", "start", "A mailing app with webhooks", map[string]any{
		"Webhooks": len(ws), "Came": a.receiver.inbox().Count, "Receiver": a.receiverURL,
	})
}

func (a *app) listsPage(v *visit) error {
	lists, err := a.lists(v.r.Context())
	if err != nil {
		return err
	}
	return v.render("lists", "lists", "Lists", lists)
}

func (a *app) postList(r *http.Request) (string, error) {
	return "/lists?done=list", a.addList(r.Context(), typed(r, "name"))
}

func (a *app) listPage(v *visit) error {
	l, err := a.list(v.r.Context(), number(v.r, "id"))
	if err != nil {
		return err
	}
	subscribers, err := a.subscribers(v.r.Context(), l.ID)
	if err != nil {
		return err
	}
	return v.render("list", "lists", l.Name, map[string]any{"List": l, "Subscribers": subscribers})
}

// typedSubscriber returns what a form says of a subscriber.
func typedSubscriber(r *http.Request) subscriber {
	return subscriber{
		Email: typed(r, "email"), FirstName: typed(r, "first_name"), LastName: typed(r, "last_name"), City: typed(r, "city"),
	}
}

func (a *app) postSubscriber(r *http.Request) (string, error) {
	l, err := a.list(r.Context(), number(r, "id"))
	if err != nil {
		return "", err
	}
	return "/lists/" + id(l.ID) + "?done=subscribed", a.subscribe(r.Context(), l.ID, typedSubscriber(r), webhook.SourceAdmin)
}

func (a *app) postUnsubscribe(r *http.Request) (string, error) {
	listID := number(r, "id")
	subscriberID, err := strconv.ParseInt(typed(r, "subscriber"), 10, 64)
	if err != nil {
		return "", errNotFound
	}
	return "/lists/" + id(listID) + "?done=unsubscribed", a.unsubscribe(r.Context(), listID, subscriberID)
}

func (a *app) subscriberPage(v *visit) error {
	s, err := loadSubscriber(v.r.Context(), a.db, number(v.r, "id"))
	if err != nil {
		return err
	}
	return v.render("subscriber", "lists", s.Name(), s)
}

func (a *app) postUpdate(r *http.Request) (string, error) {
	s := typedSubscriber(r)
	s.ID = number(r, "id")
	return "/subscribers/" + id(s.ID) + "?done=updated", a.update(r.Context(), s, webhook.SourceAdmin)
}

func (a *app) campaignsPage(v *visit) error {
	campaigns, err := a.campaigns(v.r.Context())
	if err != nil {
		return err
	}
	return v.render("campaigns", "campaigns", "Campaigns", campaigns)
}

func (a *app) newCampaignPage(v *visit) error {
	lists, err := a.lists(v.r.Context())
	if err != nil {
		return err
	}
	return v.render("newcampaign", "campaigns", "Write a campaign", lists)
}

func (a *app) postCampaign(r *http.Request) (string, error) {
	listID, err := strconv.ParseInt(typed(r, "list"), 10, 64)
	if err != nil {
		return "", errInput("Choose a list.")
	}
	n, err := a.addCampaign(r.Context(), campaign{
		ListID: listID, Name: typed(r, "name"), Subject: typed(r, "subject"), Text: typed(r, "text"),
	})
	return "/campaigns/" + id(n) + "?done=draft", err
}

func (a *app) campaignPage(v *visit) error {
	c, err := loadCampaign(v.r.Context(), a.db, number(v.r, "id"))
	if err != nil {
		return err
	}
	return v.render("campaign", "campaigns", c.Name, c)
}

func (a *app) postSend(r *http.Request) (string, error) {
	n := number(r, "id")
	return "/campaigns/" + id(n) + "?done=sent", a.send(r.Context(), n)
}

func (a *app) integrationPage(v *visit) error {
	ws, err := a.Webhooks(v.r.Context(), webhook.WebhookQuery{})
	if err != nil {
		return err
	}
	return v.render("integration", "integration", "Integration", map[string]any{
		"Webhooks": len(ws), "Receiver": a.receiverURL, "URL": a.url, "Key": a.apiKey,
	})
}

func (a *app) inboxPage(v *visit) error {
	box := a.receiver.inbox()
	box.URL = a.receiverURL
	return v.render("inbox", "inbox", "The receiver’s inbox", box)
}

func (a *app) postInbox(r *http.Request) (string, error) {
	answer, err := strconv.Atoi(cmp.Or(typed(r, "answer"), "0"))
	if err != nil {
		answer = 0
	}
	return "/inbox?done=receiver", a.receiver.configure(answer, typed(r, "secret"))
}

func (a *app) postClear(*http.Request) (string, error) {
	a.receiver.clear()
	return "/inbox", nil
}

// apiSubscribe is the app's own API, so that events come from there too.
func (a *app) apiSubscribe(w http.ResponseWriter, r *http.Request) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Api-Token")), []byte(a.apiKey)) != 1 {
		http.Error(w, "the header Api-Token holds no key of this app", http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "the form cannot be read", http.StatusBadRequest)
		return
	}
	listID, err := strconv.ParseInt(typed(r, "list"), 10, 64)
	if err == nil {
		_, err = a.list(r.Context(), listID)
	}
	if err != nil {
		http.Error(w, "there is no such list", http.StatusUnprocessableEntity)
		return
	}
	var input errInput
	switch err := a.subscribe(r.Context(), listID, typedSubscriber(r), webhook.SourceAPI); {
	case errors.As(err, &input):
		http.Error(w, string(input), http.StatusUnprocessableEntity)
	case err != nil:
		(&visit{w: w, r: r}).finish(err)
	default:
		w.WriteHeader(http.StatusCreated)
	}
}
