package webhook

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/listhook/webhook/internal/signature"
)

const (
	// keepGone is how long a webhook that was deleted is remembered as such.
	keepGone = time.Minute

	// maxAge is how old an account may be that is used. From half of that on, at
	// a random time, it is read again in the background, so that nobody waits
	// for it, and those read together are not read again together.
	maxAge = 5 * time.Minute
)

// accountWebhooks are the webhooks of an account, as the cache holds them.
type accountWebhooks struct {
	byID   map[string]*endpoint // tombstones too, so that nothing older comes back
	byList map[string][]*endpoint
	wanted interests
	read   time.Time // when it was read from the store, before the answer came
	reread time.Time // when it is read again, while it can still be used
}

// An endpoint is a webhook made ready: what each event and attempt needs of it is
// computed once.
type endpoint struct {
	Webhook
	url    *url.URL // in its normal form
	host   string   // which it shares with other webhooks
	header http.Header
	signer *signature.Signer
	broken error     // why it cannot be attempted; nil: it can
	gone   time.Time // when the webhook was found to be deleted; zero: it is not

	disclosureKey string
}

// newEndpoint makes w ready. w was validated when it was put; should it be
// invalid all the same, its attempts fail and say so.
func newEndpoint(w Webhook) *endpoint {
	t := &endpoint{Webhook: w, header: http.Header{}, disclosureKey: w.Settings.disclosureKey()}
	if len(w.Sealed) > 0 {
		t.broken = ErrUnreadable
	} else if t.url, t.broken = normalURL(w.URL); t.broken == nil {
		t.host = t.url.Hostname()
		t.signer, t.broken = newSigner(w.Secrets)
	}
	if t.url != nil && t.url.User != nil {
		password, _ := t.url.User.Password()
		(&http.Request{Header: t.header}).SetBasicAuth(t.url.User.Username(), password)
	}
	for name, value := range w.Headers {
		t.header.Set(name, value)
		if name = http.CanonicalHeaderKey(name); name == "X-Idempotency-Key" {
			// net/http sends a request with a field of this spelling again by itself.
			t.header["x-idempotency-key"] = t.header[name]
			delete(t.header, name)
		}
	}
	return t
}

// usable reports whether the account is not too old.
func (a *accountWebhooks) usable() bool { return time.Since(a.read) < maxAge }

// due reports whether the account is to be read again.
func (a *accountWebhooks) due() bool { return time.Now().After(a.reread) }

// note takes over a webhook, unless it has this version or a newer one.
func (a *accountWebhooks) note(w Webhook) bool {
	old := a.byID[w.ID]
	if old != nil && old.Version >= w.Version {
		return false
	}
	if old != nil {
		list := slices.DeleteFunc(slices.Clone(a.byList[old.List]), func(t *endpoint) bool { return t == old })
		if a.byList[old.List] = list; len(list) == 0 {
			delete(a.byList, old.List)
		}
		a.wanted.count(&old.Webhook, -1)
	}
	a.add(newEndpoint(w))
	return true
}

// bury marks as deleted the webhooks that an older reading of the account had and
// this one has not. It keeps recent marks, since a call of the store that is under
// way may still return the webhook.
func (a *accountWebhooks) bury(old *accountWebhooks) {
	for id, t := range old.byID {
		switch {
		case a.byID[id] != nil:
		case !t.Deleted:
			a.add(newEndpoint(Webhook{ID: id, Account: t.Account, Deleted: true, Version: t.Version + 1}))
		case time.Since(t.gone) < keepGone:
			a.add(t)
		}
	}
}

func newAccountWebhooks(ws []Webhook) *accountWebhooks {
	a := &accountWebhooks{byID: make(map[string]*endpoint, len(ws)), byList: map[string][]*endpoint{}, wanted: interests{}}
	for _, w := range ws {
		a.add(newEndpoint(w))
	}
	return a
}

func (a *accountWebhooks) add(t *endpoint) {
	a.byID[t.ID] = t
	a.wanted.count(&t.Webhook, 1)
	switch {
	case !t.Deleted:
		a.byList[t.List] = append(a.byList[t.List], t)
	case t.gone.IsZero():
		t.gone = time.Now()
	}
}

// wanting returns the webhooks of the account that get an event, in order of ID, so
// that all processes store an event's deliveries in one order. The lists of m must be
// distinct.
func (a *accountWebhooks) wanting(t EventType, m *Meta) []*endpoint {
	found := a.pick(nil, "", t, m)
	for _, list := range m.Lists {
		found = a.pick(found, list, t, m)
	}
	if len(found) > 1 {
		slices.SortFunc(found, func(x, y *endpoint) int { return strings.Compare(x.ID, y.ID) })
	}
	return found
}

func (a *accountWebhooks) pick(found []*endpoint, list string, t EventType, m *Meta) []*endpoint {
	for _, target := range a.byList[list] {
		if target.compare(t, m) == matches {
			found = append(found, target)
		}
	}
	return found
}

// open reports whether t is there and wants attempts now.
func (t *endpoint) open() bool {
	return t != nil && !t.Deleted && t.Disabled == "" && !t.HeldUntil.After(now())
}

// namesCustomer reports whether t's bodies name the customer's account.
func (t *endpoint) namesCustomer() bool { return t.Format.namesCustomer() }

// interests counts the webhooks of an account that want events of a type and a
// source, whatever their list, so that asking costs the same for one webhook and for
// thousands.
type interests map[interest]int

type interest struct {
	event  EventType
	source Source
}

// count adds n for each type and source that w wants now.
func (is interests) count(w *Webhook, n int) {
	if w.Deleted || w.ignoresEvents() {
		return
	}
	for _, t := range w.Events {
		for _, s := range w.Sources {
			key := interest{t, s}
			if is[key] += n; is[key] == 0 {
				delete(is, key)
			}
		}
	}
}
