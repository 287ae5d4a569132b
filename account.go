package webhook

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/listhook/webhook/internal/signature"
)

// An account is what the registry holds of one.
type account struct {
	byID   map[string]*target // tombstones too, so that nothing older comes back
	byList map[string][]*target
	read   time.Time // when it was read from the store, before the answer came
	reread time.Time // when it is read again, while it can still be used
}

// A target is a webhook made ready: what each event and attempt needs of it is
// computed once.
type target struct {
	Webhook
	url    *url.URL // in its normal form
	host   string   // which it shares with other webhooks
	header http.Header
	signer *signature.Signer
	broken error     // why it cannot be attempted; nil: it can
	gone   time.Time // of a tombstone: when it was taken note of
}

// newTarget makes w ready. w was validated when it was put; should it be
// invalid all the same, its attempts fail and say so.
func newTarget(w Webhook) *target {
	t := &target{Webhook: w, header: http.Header{}}
	if len(w.Sealed) > 0 {
		t.broken = errSealed(&w)
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
			// net/http sends again by itself what has a field of this spelling.
			t.header["x-idempotency-key"] = t.header[name]
			delete(t.header, name)
		}
	}
	return t
}

// usable reports whether the account is not too old.
func (a *account) usable() bool { return time.Since(a.read) < maxAge }

// due reports whether the account is to be read again.
func (a *account) due() bool { return time.Now().After(a.reread) }

// note takes over a webhook, unless what is known of it is as new.
func (a *account) note(w Webhook) bool {
	old := a.byID[w.ID]
	if old != nil && old.Version >= w.Version {
		return false
	}
	if old != nil {
		list := slices.DeleteFunc(slices.Clone(a.byList[old.List]), func(t *target) bool { return t == old })
		if a.byList[old.List] = list; len(list) == 0 {
			delete(a.byList, old.List)
		}
	}
	a.add(newTarget(w))
	return true
}

// bury notes as deleted what an older reading of the account had and this one
// has not. It takes over what was noted so lately, since an answer of the store
// that is under way may still hold the webhook.
func (a *account) bury(old *account) {
	for id, t := range old.byID {
		switch {
		case a.byID[id] != nil:
		case !t.Deleted:
			a.add(newTarget(Webhook{ID: id, Account: t.Account, Deleted: true, Version: t.Version + 1}))
		case time.Since(t.gone) < overlap:
			a.add(t)
		}
	}
}

func newAccount(ws []Webhook) *account {
	a := &account{byID: make(map[string]*target, len(ws)), byList: map[string][]*target{}}
	for _, w := range ws {
		a.add(newTarget(w))
	}
	return a
}

func (a *account) add(t *target) {
	a.byID[t.ID] = t
	switch {
	case !t.Deleted:
		a.byList[t.List] = append(a.byList[t.List], t)
	case t.gone.IsZero():
		t.gone = time.Now()
	}
}

// wanting returns the webhooks of the account that get an event, whose lists are
// distinct, in order of ID, so that what is enqueued together is always enqueued
// in one order.
func (a *account) wanting(t EventType, m *Meta) []*target {
	found := a.pick(nil, "", t, m)
	for _, list := range m.Lists {
		found = a.pick(found, list, t, m)
	}
	if len(found) > 1 {
		slices.SortFunc(found, func(x, y *target) int { return strings.Compare(x.ID, y.ID) })
	}
	return found
}

func (a *account) pick(found []*target, list string, t EventType, m *Meta) []*target {
	for _, target := range a.byList[list] {
		if target.compare(t, m) == matches {
			found = append(found, target)
		}
	}
	return found
}
