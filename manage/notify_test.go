package manage

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// failed is a webhook whose receiver fails, with secrets that no notice may show.
func failed() webhook.Webhook {
	return webhook.Webhook{
		ID: "7", Account: "acme", Settings: webhook.Settings{
			Name: "CRM", URL: "https://ann:s3cret@crm.example.com/hook?key=s3cret", Headers: map[string]string{"X-Key": "s3cret"},
		},
		Health: webhook.Health{
			Failures: 12, Since: time.Date(2026, 11, 29, 10, 30, 0, 0, time.UTC),
			Reason: "The receiver is not available (503 Service Unavailable): check whether it is overloaded or in maintenance.",
		},
	}
}

// notices returns hooks, and what they sent.
func notices(t *testing.T, own webhook.Hooks, opts NotifyOptions) (webhook.Hooks, *[]Notice) {
	var sent []Notice
	opts.Send = func(n Notice) { sent = append(sent, n) }
	hooks, err := NotifyOwners(own, &opts)
	require.NoError(t, err)
	return hooks, &sent
}

func tellAll(h webhook.Hooks, w webhook.Webhook) {
	h.Failing(w)
	h.Warned(w, 90)
	off := w
	off.Disabled, off.KeepEvents = "All attempts have failed since 24 November 2026. "+w.Health.Reason, true
	h.Disabled(off)
	h.Recovered(w)
}

func TestOwnersAreToldInTheirLanguage(t *testing.T) {
	reasons := map[string]string{
		"en": "The receiver is not available (503 Service Unavailable): check whether it is overloaded or in maintenance.",
		"de": "Der Empfänger ist nicht verfügbar", "es": "El receptor no está disponible",
	}
	subjects := map[string][]string{
		"en": {"Your webhook CRM is failing", "Your webhook CRM will be switched off", "Your webhook CRM was switched off", "Your webhook CRM works again"},
		"de": {"Ihr Webhook CRM schlägt fehl", "Ihr Webhook CRM wird bald ausgeschaltet", "Ihr Webhook CRM wurde ausgeschaltet", "Ihr Webhook CRM funktioniert wieder"},
		"es": {"Su webhook CRM está fallando", "Su webhook CRM se desactivará pronto", "Su webhook CRM se ha desactivado", "Su webhook CRM vuelve a funcionar"},
	}
	for locale, want := range subjects {
		zone := time.FixedZone("CET", 3600)
		hooks, sent := notices(t, webhook.Hooks{}, NotifyOptions{Owner: func(_ context.Context, account string) (Owner, error) {
			assert.Equal(t, "acme", account)
			return Owner{Locale: locale, Location: zone, Page: "https://app.example.com/hooks"}, nil
		}})
		tellAll(hooks, failed())
		require.Len(t, *sent, 4)
		for i, kind := range []NoticeKind{NoticeFailing, NoticeWarning, NoticeDisabled, NoticeRecovered} {
			n := (*sent)[i]
			assert.Equal(t, kind, n.Kind)
			assert.Equal(t, want[i], n.Subject)
			assert.NotContains(t, n.Subject+n.Text, "s3cret")
			assert.True(t, strings.HasSuffix(n.Text, "\n\nhttps://app.example.com/hooks/webhooks/7\n"), n.Text)
			if kind != NoticeRecovered {
				assert.Contains(t, n.Text, reasons[locale])
			}
			if kind == NoticeFailing || kind == NoticeWarning {
				assert.Contains(t, n.Text, "11:30:00 CET")
			}
			if kind != NoticeDisabled {
				assert.Contains(t, n.Text, "crm.example.com")
			}
		}
	}
}

func TestANoticesSubjectIsOneLine(t *testing.T) {
	hooks, sent := notices(t, webhook.Hooks{}, NotifyOptions{})
	w := failed()
	w.Name = "CRM\r\nBcc: all@example.com\u2028\x1b"
	hooks.Failing(w)
	assert.Equal(t, "Your webhook CRM Bcc: all@example.com is failing", (*sent)[0].Subject)
	w.Name = "\n"
	hooks.Failing(w)
	assert.Equal(t, "Your webhook 7 is failing", (*sent)[1].Subject)
}

// An encrypted webhook that this process cannot read has no URL.
func TestANoticeOfAWebhookWithoutAURLNamesNoHost(t *testing.T) {
	hooks, sent := notices(t, webhook.Hooks{}, NotifyOptions{})
	w := failed()
	w.URL = ""
	tellAll(hooks, w)
	for _, n := range *sent {
		assert.NotContains(t, n.Text, "  ")
		assert.NotContains(t, n.Text, "{")
	}
}

func TestAnAppReplacesTextsOfNotices(t *testing.T) {
	hooks, sent := notices(t, webhook.Hooks{}, NotifyOptions{Locale: "fr", Texts: map[string]map[string]string{
		"fr": {"Your webhook {name} works again": "Votre webhook {name} fonctionne de nouveau"},
	}})
	hooks.Recovered(failed())
	assert.Equal(t, "Votre webhook CRM fonctionne de nouveau", (*sent)[0].Subject)
	assert.Contains(t, (*sent)[0].Text, "The waiting events are being sent now.", "what is not translated is English")
}

func TestOwnersAreToldThoughTheAppFails(t *testing.T) {
	for name, owner := range map[string]func(context.Context, string) (Owner, error){
		"an error": func(context.Context, string) (Owner, error) { return Owner{Locale: "de"}, errors.New("no database") },
		"a panic":  func(context.Context, string) (Owner, error) { panic("no database") },
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			own := webhook.Hooks{Failing: func(webhook.Webhook) { panic("no metrics") }}
			hooks, sent := notices(t, own, NotifyOptions{Owner: owner, Locale: "es", Logger: slog.New(slog.NewTextHandler(&log, nil))})
			hooks.Failing(failed())
			require.Len(t, *sent, 1)
			assert.Equal(t, "Su webhook CRM está fallando", (*sent)[0].Subject)
			assert.Contains(t, log.String(), "no database")
			assert.Contains(t, log.String(), "no metrics")
			assert.NotContains(t, log.String(), "s3cret")
		})
	}
}

func TestTheAppsOwnHooksAreCalledToo(t *testing.T) {
	var called []string
	own := webhook.Hooks{
		Failing:   func(webhook.Webhook) { called = append(called, "Failing") },
		Warned:    func(_ webhook.Webhook, percent int) { assert.Equal(t, 90, percent); called = append(called, "Warned") },
		Disabled:  func(webhook.Webhook) { called = append(called, "Disabled") },
		Recovered: func(webhook.Webhook) { called = append(called, "Recovered") },
		Changed:   func(webhook.Delivery) { called = append(called, "Changed") },
	}
	hooks, sent := notices(t, own, NotifyOptions{})
	tellAll(hooks, failed())
	hooks.Changed(webhook.Delivery{})
	assert.Equal(t, []string{"Failing", "Warned", "Disabled", "Recovered", "Changed"}, called)
	assert.Len(t, *sent, 4)
}

func TestNotifyOptionsThatCannotBeUsedAreRefused(t *testing.T) {
	send := func(Notice) {}
	for field, opts := range map[string]*NotifyOptions{
		"NotifyOptions.Send":  nil,
		"NotifyOptions.Texts": {Send: send, Texts: map[string]map[string]string{"fr": {"Savee": "Enregistrer"}}},
	} {
		_, err := NotifyOwners(webhook.Hooks{}, opts)
		var invalid *webhook.InvalidError
		require.ErrorAs(t, err, &invalid)
		assert.Equal(t, field, invalid.Field)
	}
	_, err := NotifyOwners(webhook.Hooks{}, &NotifyOptions{})
	assert.Error(t, err)
}
