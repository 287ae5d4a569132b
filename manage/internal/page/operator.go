package page

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/netguard"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/text"
)

// The operator sees which receivers fail and what waits, in all accounts.

// A failingWebhook is a webhook that fails, or that deliveries wait for.
type failingWebhook struct {
	webhook.Webhook
	Gone     bool // it was deleted
	Status   status
	Failed   text.Number // deliveries of the last day
	Canceled text.Number // the same
	Pending  text.Number
	Oldest   time.Time // of the pending

	dispatcher *webhook.Dispatcher // on the database that has it
}

// How much the operator's view looks at.
const (
	operatorRows  = 5000 // deliveries of a state, in all databases
	operatorLeast = 500  // and in each of them, if there are many
	operatorShow  = 100  // webhooks

	operatorLines = 15 // deliveries of a state, of one webhook

	operatorPatience = 5 * time.Second // with one of several databases
)

// An operatorView is the operator's page: webhooks that fail or have pending deliveries,
// or the results of a search.
type operatorView struct {
	Silent    int // databases that did not answer
	Databases int

	Waiting waiting
	Failed  text.Number
	Failing []failingWebhook
	Hidden  int

	Search string
	Found  []foundWebhook
	Cut    bool // there may be more that match
}

func (p *pageRequest) operator() error {
	if search := strings.TrimSpace(p.r.URL.Query().Get("search")); search != "" {
		out, err := p.searchAll(search)
		if err != nil {
			return err
		}
		return p.render(http.StatusOK, "operator", p.lang.Text("All accounts"), out)
	}
	reads, err := p.readDatabases()
	if err != nil {
		return err
	}
	var pending waiting
	var failed text.Number
	var failing []failingWebhook
	for _, r := range reads {
		pending.add(r.waiting)
		failed = failed.Add(text.Number{Count: len(r.failed.deliveries), More: r.failed.more})
		failing = append(failing, r.failing()...)
	}
	rows, silent := p.worst(failing, len(reads))
	for _, r := range reads {
		if r.err != nil {
			silent++
		}
	}
	return p.render(http.StatusOK, "operator", p.lang.Text("All accounts"), operatorView{
		Silent: silent, Databases: len(reads),
		Waiting: pending, Failed: failed, Failing: rows, Hidden: max(len(failing)-operatorShow, 0),
	})
}

// harmless reports whether nothing is wrong but that deliveries were canceled,
// as when the webhook was deleted or what waited was dropped; those of a webhook
// that is off tell of it.
func (f failingWebhook) harmless() bool {
	return f.Pending.Count == 0 && f.Failed.Count == 0 && (f.Gone || f.Disabled == "")
}

// worst returns the webhooks that are the worst off, with what is known of
// them: first those whose deliveries have waited longest. It leaves out those of
// databases that do not answer, and returns how many these are, of so many in all.
func (p *pageRequest) worst(rows []failingWebhook, databases int) (worst []failingWebhook, silent int) {
	slices.SortFunc(rows, func(a, b failingWebhook) int {
		if a.Pending.Count == 0 || b.Pending.Count == 0 {
			return cmp.Or(cmp.Compare(min(b.Pending.Count, 1), min(a.Pending.Count, 1)), cmp.Compare(b.Failed.Count, a.Failed.Count), cmp.Compare(a.ID, b.ID))
		}
		return cmp.Or(a.Oldest.Compare(b.Oldest), cmp.Compare(a.ID, b.ID))
	})
	rows = rows[:min(len(rows), operatorShow)]
	ids := map[*webhook.Dispatcher][]string{}
	for _, f := range rows {
		ids[f.dispatcher] = append(ids[f.dispatcher], f.ID)
	}
	ctx, cancel := p.operatorContext(databases)
	defer cancel()
	ds := slices.Collect(maps.Keys(ids))
	answers := askAll(ctx, ds, func(d *webhook.Dispatcher) ([]webhook.Webhook, error) {
		return d.Webhooks(ctx, webhook.WebhookQuery{All: true, IDs: ids[d]})
	})
	for n, a := range answers {
		if a.err != nil {
			p.LogFault(p.r.Context(), "webhook: the operator's view leaves out a database", a.err)
			rows = slices.DeleteFunc(rows, func(f failingWebhook) bool { return f.dispatcher == ds[n] })
			silent++
			continue
		}
		for i := range rows {
			if rows[i].dispatcher == ds[n] {
				p.describe(&rows[i], a.value)
			}
		}
	}
	return slices.DeleteFunc(rows, failingWebhook.harmless), silent
}

// describe adds what is known of a webhook, if it is among ws: else it is gone.
func (p *pageRequest) describe(f *failingWebhook, ws []webhook.Webhook) {
	i := slices.IndexFunc(ws, func(w webhook.Webhook) bool { return w.ID == f.ID })
	if i < 0 {
		return
	}
	f.Webhook, f.Gone = ws[i], false
	f.Status = p.statusOf(ws[i], webhook.Delivery{})
	switch {
	case f.Status.Class != "good":
	case f.Failed.Count > 0:
		f.Status = status{"bad", "Failing", ""}
	case f.Pending.Count > 0:
		f.Status = status{"wait", "Waiting", ""}
	}
}

// anyWebhook returns the webhook that the operator asks for, of any account.
func (p *pageRequest) anyWebhook(values url.Values) (*account.Caller, webhook.Webhook, error) {
	theirs, err := p.In(p.r.Context(), values.Get("account"))
	if err != nil {
		return nil, webhook.Webhook{}, err
	}
	w, err := theirs.Webhook(p.r.Context(), values.Get("id"))
	return theirs, w, err
}

func (p *pageRequest) operatorWebhook() error {
	theirs, w, err := p.anyWebhook(p.r.URL.Query())
	if err != nil {
		return err
	}
	// What failed comes first: there may be thousands that wait.
	var ds []webhook.Delivery
	for _, state := range []webhook.State{webhook.StateFailed, webhook.StatePending} {
		some, _, err := theirs.Deliveries(p.r.Context(), webhook.DeliveryQuery{
			Account: w.Account, Webhook: w.ID, States: []webhook.State{state}, Limit: operatorLines,
		})
		if err != nil {
			return err
		}
		ds = append(ds, some...)
	}
	type line struct {
		webhook.Delivery
		Made int // attempts
		Last *attemptView
	}
	var lines []line
	for _, d := range ds {
		l := line{Delivery: d, Made: attemptsMade(d)}
		if n := len(d.Log); n > 0 {
			last := p.attempt(n, d.Log[n-1])
			l.Last = &last
		}
		lines = append(lines, l)
	}
	newest, err := theirs.Newest(p.r.Context(), w.ID)
	if err != nil {
		return err
	}
	pending, err := waitingFor(p.r.Context(), theirs, w.ID)
	if err != nil {
		return err
	}
	return p.render(http.StatusOK, "operatorwebhook", p.nameOf(w), struct {
		webhook.Webhook
		Status  status
		Host    string
		Held    bool
		Waiting waiting
		Lines   []line
	}{w, p.statusOf(w, newest), hostOf(w.URL), account.Held(w), pending, lines})
}

// hostOf is as much of a customer's URL as the operator needs: the host that
// requests go to. The rest may be a key.
func hostOf(rawURL string) string {
	u, refused := netguard.Normalize(rawURL)
	if refused != nil {
		return ""
	}
	return u.Host
}

func (p *pageRequest) operatorSwitch() error {
	form := p.r.PostForm
	theirs, w, err := p.anyWebhook(form)
	if err != nil {
		return err
	}
	switch form.Get("do") {
	case "on":
		_, _, err = theirs.Enable(p.r.Context(), w.ID, form.Get("kept") == dropKept)
	case "try":
		_, err = theirs.Probe(p.r.Context(), w.ID)
	case "off":
		reason := cmp.Or(strings.TrimSpace(form.Get("reason")), "Switched off by the operator.")
		_, err = theirs.Disable(p.r.Context(), w.ID, reason, form.Get("keep") != "")
	default:
		err = errNoChoice
	}
	if err != nil {
		return err
	}
	return p.goTo("operator/webhook?" + url.Values{"account": {w.Account}, "id": {w.ID}}.Encode())
}
