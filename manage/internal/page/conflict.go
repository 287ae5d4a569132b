package page

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/label"
)

// Two people may edit a webhook at the same time. The form says which revision
// it was made for, and a fingerprint of each field as it was then. Whoever saves
// second sees the fields that differ, and chooses.

// A difference is a field of which the form and the store hold different values.
type difference struct {
	Value, Text   string
	Theirs, Yours []string // lines
	Take          string   // takeTheirs, takeYours, or "": not chosen
}

// What a form says to take of a field.
const (
	takeTheirs = "theirs"
	takeYours  = "yours"
)

// A conflictView is the page that shows what differs.
type conflictView struct {
	Webhook     webhook.Webhook // as it is stored
	Was         string
	Differences []difference
	Typed       []field // what the form holds beside the choices
	Choose      bool    // something was not chosen
}

// shown returns a field of the form as the page shows it, in lines.
func (p *pageRequest) shown(s setting, w webhook.Webhook, lists []account.List) []string {
	value := s.value(w)
	switch s.Value {
	case "List":
		value = p.listName(lists, w.List)
	case "Order":
		value = p.lang.Text(label.TextOf(label.Orders, webhook.Order(value)))
	case "Batch":
		value = batchText(p.lang, w.Batch, w.BatchWait)
	case "Events":
		return p.texts(label.Of(p.types(w.Events...), w.Events))
	case "Sources":
		return p.texts(label.Of(p.sources(w.Sources...), w.Sources))
	case "Format":
		value = p.lang.Text(label.TextOf(label.Formats, webhook.Format(value)))
	case "Disclosure":
		disclosure, ids, _ := strings.Cut(value, "\n")
		value = strings.TrimSuffix(p.lang.Text(label.TextOf(label.Disclosures, disclosure))+"\n"+ids, "\n")
	case "RateLimit":
		value = p.rateLimit(w)
	case "NoRetry":
		value = p.lang.Text("Try again after failures")
		if w.NoRetry {
			value = p.lang.Text("Never try again")
		}
	case "KeepEvents":
		value = p.lang.Text("Discard events")
		if account.KeepsEvents(w) {
			value = p.lang.Text("Keep events")
		}
	}
	if value == "" {
		return []string{p.lang.Text("(empty)")}
	}
	return p.firstOf(strings.Split(strings.TrimSuffix(value, "\n"), "\n"), shownNames)
}

// fingerprints are of the form's fields, in order, with spaces between.
func fingerprints(w webhook.Webhook) string {
	var all []string
	for _, s := range settings {
		all = append(all, fingerprint(s.value(w)))
	}
	return strings.Join(all, " ")
}

func fingerprint(value string) string {
	sum := sha256.Sum256([]byte(value))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// differences compares the form's fields, yours, with the stored ones, theirs. A
// field that only one of the two changed since was is chosen already, and so is
// one that was chosen between these values before.
func (p *pageRequest) differences(yours, theirs webhook.Webhook, form url.Values, lists []account.List) []difference {
	was := strings.Fields(form.Get("was"))
	if len(was) != len(settings) {
		was = make([]string, len(settings)) // nobody says what it was
	}
	var all []difference
	for i, s := range settings {
		y, t := s.value(yours), s.value(theirs)
		if y == t {
			continue
		}
		d := difference{
			Value: s.Value, Text: p.lang.Text(s.Text),
			Yours: p.shown(s, yours, lists), Theirs: p.shown(s, theirs, lists),
		}
		switch {
		case was[i] == fingerprint(t) && form.Has("choose"):
			if take := form.Get("take-" + s.Value); take == takeYours || take == takeTheirs {
				d.Take = take
			}
		case was[i] == fingerprint(t):
			d.Take = takeYours
		case was[i] == fingerprint(y):
			d.Take = takeTheirs
		}
		all = append(all, d)
	}
	return all
}

// errConflict is what the form meets when somebody else changed the webhook.
type errConflict struct {
	theirs webhook.Webhook
	choose bool // the page was shown, and something is not chosen
}

func (errConflict) Error() string { return "somebody else changed the webhook" }

// merge takes yours over into w, which is as stored, or returns an errConflict.
// Where the form comes from the page that shows what differs, it says what to
// take.
func (p *pageRequest) merge(w *webhook.Webhook, yours webhook.Webhook) error {
	form, theirs := p.r.PostForm, *w
	changed := w.Revision != p.revision() && form.Get("was") != fingerprints(theirs)
	for _, s := range settings {
		if s.value(yours) == s.value(theirs) {
			continue
		}
		take := takeYours
		if form.Has("choose") {
			take = form.Get("take-" + s.Value)
		}
		switch {
		case changed:
			return errConflict{theirs: theirs}
		case take == takeYours:
			s.take(w, yours)
		case take != takeTheirs:
			return errConflict{theirs: theirs, choose: true}
		}
	}
	return nil
}

// showConflict shows what differs.
func (p *pageRequest) showConflict(yours webhook.Webhook, e errConflict) error {
	lists, _, err := p.Lists(p.r.Context())
	if err != nil {
		return err
	}
	out := conflictView{
		Webhook: e.theirs, Was: fingerprints(e.theirs), Choose: e.choose,
		Differences: p.differences(yours, e.theirs, p.r.PostForm, lists),
	}
	for _, f := range p.typedFields() {
		if f.Name != "revision" && f.Name != "was" && f.Name != "choose" && !strings.HasPrefix(f.Name, "take-") {
			out.Typed = append(out.Typed, f)
		}
	}
	status := http.StatusConflict
	if e.choose {
		status = http.StatusUnprocessableEntity
	}
	return p.render(status, "conflict", p.lang.Text("Choose which changes to keep"), out)
}

// editWebhook saves the form of a stored webhook.
func (p *pageRequest) editWebhook() error {
	ctx, id := p.r.Context(), p.r.PathValue("id")
	stored, err := p.Webhook(ctx, id)
	if err != nil {
		return err
	}
	if stored.Unreadable() != "" {
		return webhook.ErrUnreadable
	}
	f := form{Webhook: stored, Was: p.r.PostForm.Get("was")}
	if f.Headers, f.Errors, err = p.readForm(p.r.PostForm, &f.Webhook); err != nil {
		return err
	}
	if finding(p.r.PostForm, "list", "field") {
		return p.showFound(f)
	}
	if len(f.Errors) > 0 {
		f.Webhook.Revision = p.revision()
		return p.showForm(http.StatusUnprocessableEntity, f)
	}
	yours := f.Webhook
	_, err = p.Edit(ctx, id, func(w *webhook.Webhook) error {
		if err := p.merge(w, yours); err != nil {
			return err
		}
		f.Webhook, f.Headers, f.Was = *w, headerLines(w.Headers), p.r.PostForm.Get("was")
		return nil
	})
	var conflict errConflict
	if errors.As(err, &conflict) {
		return p.showConflict(yours, conflict)
	}
	if err != nil {
		return p.refuseForm(f, err)
	}
	return p.goTo("webhooks/" + url.PathEscape(id) + "?done=saved")
}
