package manage

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/notice"
	"github.com/listhook/webhook/manage/internal/text"
)

// A NoticeKind says what happened to a webhook.
type NoticeKind string

// The kinds of notices, each from a hook of webhook.Hooks.
const (
	NoticeFailing   NoticeKind = "failing"   // Failing: all attempts have failed for an hour
	NoticeWarning   NoticeKind = "warning"   // Warned: it will be disabled
	NoticeDisabled  NoticeKind = "disabled"  // Disabled: because of what its receiver answered
	NoticeRecovered NoticeKind = "recovered" // Recovered: after NoticeFailing or NoticeWarning
)

// A Notice tells the owner of a webhook what happened to it.
type Notice struct {
	Kind    NoticeKind
	Webhook webhook.Webhook // as it is stored; its Account says whom to tell
	Subject string          // one line without control characters, as long as the webhook's name makes it
	Text    string          // plain text; its lines end with "\n", and none is wrapped
}

// An Owner says how to write to the owner of an account's webhooks.
type Owner struct {
	Locale   string         // the language, as "es" or "de-AT"; "": NotifyOptions.Locale
	Location *time.Location // of the times in the text; nil: UTC
	Page     string         // the absolute URL of Handler's page, for a link; "": none
}

// NotifyOptions configure NotifyOwners. Send must be set. The zero value of every other
// field is its default.
type NotifyOptions struct {
	// Send sends a notice, or better queues it and returns: it holds up what the
	// Dispatcher stores of the webhook, and after a minute another process would send
	// the notice too. It is called from several goroutines at once. A panic is
	// logged.
	Send func(Notice)

	// Owner says how to write to an account's owner. Its error is logged, and the notice
	// is in the language Locale, without a link. Nil: every notice is in Locale, and none has a link.
	Owner func(ctx context.Context, account string) (Owner, error)

	// Locale is the language where Owner names none: English by default, which is also
	// used where there is no such language.
	Locale string

	// Texts replace texts of notices and add languages, as Options.Texts does: the same
	// value serves both.
	Texts map[string]map[string]string

	// Logger gets errors of Owner. By default it is slog.Default().
	Logger *slog.Logger
}

// NotifyOwners returns own with hooks that tell owners of webhooks that fail, are
// disabled and recover. Those of own are called too. Addresses and sending are the
// app's: see NotifyOptions.Send. Where several processes share a Store, one of them tells
// the owner: see webhook.Hooks.Failing.
//
// With these hooks a webhook is disabled only after its owner was warned: see
// webhook.Hooks.Warned.
//
// An option that cannot be used is a *webhook.InvalidError.
func NotifyOwners(own webhook.Hooks, opts *NotifyOptions) (webhook.Hooks, error) {
	if opts == nil || opts.Send == nil {
		return webhook.Hooks{}, &webhook.InvalidError{Field: "NotifyOptions.Send", Reason: "is not set"}
	}
	texts, err := text.NewCatalog(opts.Texts)
	if err != nil {
		return webhook.Hooks{}, &webhook.InvalidError{Field: "NotifyOptions.Texts", Reason: "of " + err.Error()}
	}
	n := &notifier{NotifyOptions: *opts, texts: texts}
	if n.Logger == nil {
		n.Logger = slog.Default()
	}
	h := own
	h.Failing = func(w webhook.Webhook) { n.tell(own.Failing, NoticeFailing, w) }
	h.Disabled = func(w webhook.Webhook) { n.tell(own.Disabled, NoticeDisabled, w) }
	h.Recovered = func(w webhook.Webhook) { n.tell(own.Recovered, NoticeRecovered, w) }
	h.Warned = func(w webhook.Webhook, percent int) {
		var warned func(webhook.Webhook)
		if own.Warned != nil {
			warned = func(w webhook.Webhook) { own.Warned(w, percent) }
		}
		n.tell(warned, NoticeWarning, w)
	}
	return h, nil
}

// A notifier writes notices.
type notifier struct {
	NotifyOptions
	texts *text.Catalog
}

// ownerTimeout is how long NotifyOptions.Owner may take.
const ownerTimeout = 10 * time.Second

// tell sends a notice, after the app's own hook, which may be nil.
func (n *notifier) tell(own func(webhook.Webhook), k NoticeKind, w webhook.Webhook) {
	if own != nil {
		n.safely("a hook", w, func() { own(w) })
	}
	owner := n.owner(w)
	writer := notice.Writer{Lang: n.texts.Language(owner.Locale), Location: owner.Location, Page: pageOf(owner.Page, w)}
	subject, body := writer.Write(notice.Kind(k), w)
	n.Send(Notice{Kind: k, Webhook: w, Subject: subject, Text: body})
}

// owner returns how to write to the owner of a webhook, with defaults.
func (n *notifier) owner(w webhook.Webhook) (owner Owner) {
	if n.Owner != nil {
		n.safely("NotifyOptions.Owner", w, func() {
			ctx, cancel := context.WithTimeout(context.Background(), ownerTimeout)
			defer cancel()
			found, err := n.Owner(ctx, w.Account)
			if err != nil {
				n.Logger.Error("webhook: the owner of a webhook is not known, and is told in the default language", "webhook", w, "error", err)
				return
			}
			owner = found
		})
	}
	if owner.Locale == "" {
		owner.Locale = n.Locale
	}
	if owner.Location == nil {
		owner.Location = time.UTC
	}
	return owner
}

// safely calls a function of the app's, and logs its panic: the owner is told all the
// same.
func (n *notifier) safely(what string, w webhook.Webhook, call func()) {
	defer func() {
		if p := recover(); p != nil {
			n.Logger.Error("webhook: "+what+" panicked", "webhook", w, "panic", fmt.Sprint(p))
		}
	}()
	call()
}

// pageOf returns the address of a webhook's page below the handler's.
func pageOf(base string, w webhook.Webhook) string {
	if base == "" {
		return ""
	}
	return strings.TrimSuffix(base, "/") + "/webhooks/" + url.PathEscape(w.ID)
}
