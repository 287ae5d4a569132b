package webhook_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

func TestAWebhookThatCannotWorkIsRefusedByField(t *testing.T) {
	for _, c := range []struct {
		name, field string
		change      func(*webhook.Webhook)
	}{
		{"no URL", "URL", func(w *webhook.Webhook) { w.URL = "" }},
		{"a relative URL", "URL", func(w *webhook.Webhook) { w.URL = "/hook" }},
		{"a URL without a host", "URL", func(w *webhook.Webhook) { w.URL = "https:///hook" }},
		{"another scheme", "URL", func(w *webhook.Webhook) { w.URL = "ftp://example.com/" }},
		{"javascript", "URL", func(w *webhook.Webhook) { w.URL = "javascript:alert(1)" }},
		{"a fragment", "URL", func(w *webhook.Webhook) { w.URL = "https://example.com/#part" }},
		{"an empty fragment", "URL", func(w *webhook.Webhook) { w.URL = "https://example.com/#" }},
		{"a long URL", "URL", func(w *webhook.Webhook) { w.URL = "https://example.com/" + strings.Repeat("x", 2048) }},
		{"a control byte in the URL", "URL", func(w *webhook.Webhook) { w.URL = "https://example.com/\n" }},
		{"no events", "Events", func(w *webhook.Webhook) { w.Events = nil }},
		{"an unknown event", "Events", func(w *webhook.Webhook) { w.Events = []webhook.EventType{"subscribed"} }},
		{"no sources", "Sources", func(w *webhook.Webhook) { w.Sources = nil }},
		{"an unknown source", "Sources", func(w *webhook.Webhook) { w.Sources = []webhook.Source{"cron"} }},
		{"an unknown format", "Format", func(w *webhook.Webhook) { w.Format = "xml" }},
		{"an unknown disclosure", "Disclosure", func(w *webhook.Webhook) { w.Disclosure = "some" }},
		{"fields that are not asked for", "FieldIDs", func(w *webhook.Webhook) { w.FieldIDs = []string{"7"} }},
		{"fields beside the least", "FieldIDs", func(w *webhook.Webhook) { w.Disclosure, w.FieldIDs = "minimal", []string{"7"} }},
		{"a field without an ID", "FieldIDs", func(w *webhook.Webhook) { w.Disclosure, w.FieldIDs = "fields", []string{"7", ""} }},
		{"a field twice", "FieldIDs", func(w *webhook.Webhook) { w.Disclosure, w.FieldIDs = "fields", []string{"7", "8", "7"} }},
		{"a field that is no text", "FieldIDs", func(w *webhook.Webhook) { w.Disclosure, w.FieldIDs = "fields", []string{"\xff"} }},
		{"fields without end", "FieldIDs", func(w *webhook.Webhook) {
			w.Disclosure, w.FieldIDs = "fields", strings.Split(strings.Repeat("x,", 1000)+"x", ",")
		}},
		{"a header of ours", "Headers", header("content-type", "text/plain")},
		{"a header of HTTP", "Headers", header("Host", "example.com")},
		{"a signature", "Headers", header("webhook-signature", "v1,x")},
		{"no header name", "Headers", header("", "x")},
		{"a header name with a space", "Headers", header("X Y", "x")},
		{"a header value with a line", "Headers", header("X", "a\r\nb")},
		{"a header twice", "Headers", func(w *webhook.Webhook) { w.Headers = map[string]string{"x-a": "1", "X-A": "2"} }},
		{"a short secret", "Secrets", secret("whsec_c2hvcnQ=")},
		{"a secret that is no base64", "Secrets", secret("whsec_!!!")},
		{"no secret that lasts", "Secrets", func(w *webhook.Webhook) {
			w.Secrets = []webhook.Secret{{Key: webhook.NewSecret().Key, Until: time.Now().Add(time.Hour)}}
		}},
		{"a long name", "Name", func(w *webhook.Webhook) { w.Name = strings.Repeat("x", 256) }},
		{"a name that is no text", "Name", func(w *webhook.Webhook) { w.Name = "\xff" }},
		{"list 0", "List", func(w *webhook.Webhook) { w.List = "0" }},
		{"a list with a space before it", "List", func(w *webhook.Webhook) { w.List = " 12" }},
		{"a list with a line after it", "List", func(w *webhook.Webhook) { w.List = "12\n" }},
		{"a list that is a space", "List", func(w *webhook.Webhook) { w.List = "\u00a0" }},
		{"an ignored event without a name", "IgnoredEvents", func(w *webhook.Webhook) { w.IgnoredEvents = []string{""} }},
		{"an ignored event that is no text", "IgnoredEvents", func(w *webhook.Webhook) { w.IgnoredEvents = []string{"\xff"} }},
		{"ignored events without end", "IgnoredEvents", func(w *webhook.Webhook) { w.IgnoredEvents = strings.Split(strings.Repeat("x,", 100)+"x", ",") }},
		{"an account with NUL", "Account", func(w *webhook.Webhook) { w.Account = "a\x00b" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newHarness(t, nil)
			w := everything()
			c.change(&w)
			_, err := r.AddWebhook(r.ctx, w)
			var invalid *webhook.InvalidError
			require.ErrorAs(t, err, &invalid)
			assert.Contains(t, invalid.Field, c.field)
			assert.NotContains(t, err.Error(), "example.com", "a URL may hold a key")
			ws, err := r.Webhooks(r.ctx, webhook.WebhookQuery{All: true})
			require.NoError(t, err)
			assert.Empty(t, ws)
		})
	}
}

func TestWhatIsNamedTwiceCountsOnce(t *testing.T) {
	r := newHarness(t, nil)
	w := everything()
	w.Events = []webhook.EventType{"open", "click", "open"}
	w.Sources = []webhook.Source{"api", "api", "public"}
	w.IgnoredEvents = []string{"deal_add", "deal_add"}
	given := slices.Clone(w.Events)
	stored, err := r.AddWebhook(r.ctx, w)
	require.NoError(t, err)
	check := func(w webhook.Webhook) {
		t.Helper()
		assert.Equal(t, []webhook.EventType{"open", "click"}, w.Events)
		assert.Equal(t, []webhook.Source{"api", "public"}, w.Sources)
		assert.Equal(t, []string{"deal_add"}, w.IgnoredEvents)
	}
	check(stored)
	assert.Equal(t, given, w.Events, "the caller's own stay as they were")

	w = stored
	w.Events, w.Sources, w.IgnoredEvents = append(w.Events, "click"), append(w.Sources, "api"), []string{"deal_add", "deal_add"}
	stored, err = r.UpdateWebhook(r.ctx, w)
	require.NoError(t, err)
	check(stored)
}

func TestWhatIsWrongWithATextIsSaid(t *testing.T) {
	for _, c := range []struct {
		field, want string
		change      func(*webhook.Webhook)
	}{
		{"Name", "is not valid UTF-8", func(w *webhook.Webhook) { w.Name = "a\xff" }},
		{"Name", "contains a NUL byte", func(w *webhook.Webhook) { w.Name = "a\x00b" }},
		{"List", "contains a NUL byte", func(w *webhook.Webhook) { w.List = "a\x00b" }},
		{"Disabled", "contains a NUL byte", func(w *webhook.Webhook) { w.Disabled = "a\x00b" }},
		{"IgnoredEvents", "contains a NUL byte", func(w *webhook.Webhook) { w.IgnoredEvents = []string{"a\x00b"} }},
		{"FieldIDs", "contains a NUL byte", func(w *webhook.Webhook) { w.Disclosure, w.FieldIDs = "fields", []string{"\x00"} }},
		{"Account", "contains a NUL byte", func(w *webhook.Webhook) { w.Account = "a\x00b" }},
		{"ID", "is not valid UTF-8", func(w *webhook.Webhook) { w.ID = "a\xff" }},
	} {
		w := everything()
		c.change(&w)
		_, err := newHarness(t, nil).AddWebhook(t.Context(), w)
		assert.Equal(t, &webhook.InvalidError{Field: c.field, Reason: c.want}, err)
	}
}

func header(name, value string) func(*webhook.Webhook) {
	return func(w *webhook.Webhook) { w.Headers = map[string]string{name: value} }
}

func secret(key string) func(*webhook.Webhook) {
	return func(w *webhook.Webhook) { w.Secrets = []webhook.Secret{{Key: key}} }
}

func TestWhoGetsAnEvent(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*webhook.Webhook)
		gets   bool
		reason string
	}{
		{"wants all of every list", nil, true, "gets"},
		{"of the event's list", func(w *webhook.Webhook) { w.List = "12" }, true, "gets"},
		{"of its second list", func(w *webhook.Webhook) { w.List = "13" }, true, "gets"},
		{"of another list", func(w *webhook.Webhook) { w.List = "1" }, false, "list 1"},
		{"another type", func(w *webhook.Webhook) { w.Events = []webhook.EventType{webhook.TypeClick} }, false, "open"},
		{"another source", func(w *webhook.Webhook) { w.Sources = []webhook.Source{webhook.SourceAPI} }, false, "public"},
		{"off", func(w *webhook.Webhook) { w.Disabled = "By its owner." }, false, "off: By its owner."},
		{"off but keeps", func(w *webhook.Webhook) { w.Disabled, w.KeepEvents = "By its owner.", true }, true, "keeps"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, nil)
				w := r.put(c.change)
				r.put(func(w *webhook.Webhook) { w.Account = "somebody else's" })
				e := open("e1")
				e.Lists = []string{"12", "13"}

				explained, err := r.Explain(r.ctx, e)
				require.NoError(t, err)
				require.Len(t, explained, 1)
				assert.Equal(t, w.ID, explained[0].Webhook.ID)
				assert.Equal(t, c.gets, explained[0].Matches)
				assert.Contains(t, explained[0].Reason, c.reason)
				assert.Equal(t, c.gets, w.Matches(e))

				r.emit(e)
				want := 0
				if c.gets {
					want = 1
				}
				assert.Len(t, r.log(), want)
			})
		})
	}
}

func TestTheWireNamesTheWebhooksOwnList(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(func(w *webhook.Webhook) { w.List = "13"; w.URL = "https://one.test/" })
		r.put(func(w *webhook.Webhook) { w.URL = "https://every.test/" })
		e := open("e1")
		e.Lists = []string{"12", "13"}
		r.emit(e)
		none := open("e2")
		none.Lists = nil
		r.emit(none)
		synctest.Wait()
		lists := map[string][]string{}
		for _, got := range r.receiver.requests() {
			lists[got.URL] = append(lists[got.URL], got.Form.Get("list"))
		}
		assert.Equal(t, []string{"13"}, lists["https://one.test/"])
		assert.ElementsMatch(t, []string{"12", "0"}, lists["https://every.test/"])
	})
}

func TestAWebhooksIDIsANumeralThatClientsCanHold(t *testing.T) {
	r := newHarness(t, nil)
	w := r.put(nil)
	n, err := strconv.ParseInt(w.ID, 10, 64)
	require.NoError(t, err)
	assert.Less(t, n, int64(1)<<53)
	assert.Len(t, w.ID, 16)

	own := r.put(func(w *webhook.Webhook) { w.ID = "chosen" })
	assert.Equal(t, "chosen", own.ID)
	w = everything()
	w.ID = "chosen"
	taken := func(why string) {
		_, err := r.AddWebhook(r.ctx, w)
		require.ErrorIs(t, err, webhook.ErrConflict, why)
		require.ErrorContains(t, err, "the ID is taken", why)
		assert.NotContains(t, err.Error(), "somebody else", why)
		assert.NotContains(t, err.Error(), "acme", why)
	}
	taken("by one of the account")
	w.Account = "acme"
	taken("by one of another account")
	require.NoError(t, r.DeleteWebhook(r.ctx, "", "chosen"))
	taken("by a deleted one")
	w.Account = ""
	taken("by a deleted one of the account")
}

// The clock of a bubble stands still, so that all are added in one microsecond.
func TestWebhooksAreListedInTheOrderInWhichTheyWereAdded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newHarness(t, nil)
		processes := []*webhook.Dispatcher{r.Dispatcher, r.another(nil), r.another(nil)}
		var names []string
		for i := range 150 {
			process := processes[0] // a hundred at once, then in turns
			if i >= 100 {
				process = processes[i%3]
			}
			w := everything()
			w.Name = strconv.Itoa(i)
			names = append(names, w.Name)
			added, err := process.AddWebhook(r.ctx, w)
			require.NoError(t, err)
			require.Len(t, added.ID, 16)
		}
		listed := func() (got []string) {
			ws, err := r.Webhooks(r.ctx, webhook.WebhookQuery{})
			require.NoError(t, err)
			for _, w := range ws {
				got = append(got, w.Name)
			}
			return got
		}
		require.Equal(t, names, listed())
		time.Sleep(time.Microsecond)
		r.put(func(w *webhook.Webhook) { w.Name = "later" })
		assert.Equal(t, append(names, "later"), listed())
	})
}

func TestAddingAndUpdatingTellTheOtherByTheRevision(t *testing.T) {
	r := newHarness(t, nil)
	refused := func(_ webhook.Webhook, err error) {
		t.Helper()
		var invalid *webhook.InvalidError
		require.ErrorAs(t, err, &invalid)
		assert.Equal(t, "Revision", invalid.Field)
	}
	w := everything()
	w.ID = "1"
	refused(r.UpdateWebhook(r.ctx, w))
	_, err := r.Webhook(r.ctx, "", w.ID)
	require.ErrorIs(t, err, webhook.ErrNotFound, "an update adds nothing")

	added, err := r.AddWebhook(r.ctx, w)
	require.NoError(t, err)
	edit := added
	edit.Name = "second"
	refused(r.AddWebhook(r.ctx, edit))
	edit.ID = ""
	refused(r.AddWebhook(r.ctx, edit))
	edit.ID, edit.Revision = added.ID, 0
	refused(r.UpdateWebhook(r.ctx, edit))
	ws, err := r.Webhooks(r.ctx, webhook.WebhookQuery{All: true})
	require.NoError(t, err)
	require.Len(t, ws, 1)
	added.Put = ws[0].Put // which only the store knows
	assert.Equal(t, []webhook.Webhook{added}, ws, "what is refused changes nothing")

	edit.ID, edit.Revision = "2", 1
	_, err = r.UpdateWebhook(r.ctx, edit)
	require.ErrorIs(t, err, webhook.ErrNotFound)
}

func TestEditingNeedsTheRevisionThatIsStored(t *testing.T) {
	r := newHarness(t, nil)
	first := r.put(nil)
	edit := first
	edit.Name = "second"
	second, err := r.UpdateWebhook(r.ctx, edit)
	require.NoError(t, err)
	assert.Equal(t, first.Revision+1, second.Revision)
	assert.Equal(t, first.Created, second.Created)
	_, err = r.UpdateWebhook(r.ctx, edit)
	require.ErrorIs(t, err, webhook.ErrConflict)

	second.Account = "another"
	_, err = r.UpdateWebhook(r.ctx, second)
	require.ErrorIs(t, err, webhook.ErrNotFound, "a webhook does not move between accounts")
	require.ErrorIs(t, r.DeleteWebhook(r.ctx, "another", first.ID), webhook.ErrNotFound)
	_, err = r.SendTest(r.ctx, "another", first.ID, webhook.TypeOpen)
	require.ErrorIs(t, err, webhook.ErrNotFound)
	require.NoError(t, r.DeleteWebhook(r.ctx, "", first.ID))
	require.ErrorIs(t, r.DeleteWebhook(r.ctx, "", first.ID), webhook.ErrNotFound)
}

func TestDeletingCancelsWhatWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.receiver.set(status(500))
		w := r.put(nil)
		for i := range 3 {
			r.emit(open(fmt.Sprint(i)))
		}
		synctest.Wait()
		sent := r.receiver.requests()
		require.NotEmpty(t, sent) // once one has failed, the next waits
		require.NoError(t, r.DeleteWebhook(r.ctx, "", w.ID))
		synctest.Wait()
		for _, d := range r.log() {
			assert.Equal(t, webhook.StateCanceled, d.State)
			last := d.Log[len(d.Log)-1]
			assert.Contains(t, last.Reason, "deleted")
		}
		time.Sleep(time.Hour)
		assert.Len(t, r.receiver.requests(), len(sent))
	})
}

func TestADisabledWebhookThatKeepsEventsHasThemWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		w := r.put(nil)
		w.Disabled, w.KeepEvents = "Moving house.", true
		w, err := r.UpdateWebhook(r.ctx, w)
		require.NoError(t, err)
		for i := range 3 {
			r.emit(open(fmt.Sprint(i)))
			time.Sleep(time.Minute)
		}
		time.Sleep(time.Hour)
		require.Empty(t, r.receiver.requests())
		w.Disabled = ""
		_, err = r.UpdateWebhook(r.ctx, w)
		require.NoError(t, err)
		synctest.Wait()
		assert.Len(t, r.receiver.requests(), 3)
	})
}

func TestSendTestDeliversTheSampleAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		w := r.put(func(w *webhook.Webhook) {
			w.Events, w.Disabled = []webhook.EventType{webhook.TypeClick}, "Not ready."
			w.Secrets = []webhook.Secret{webhook.NewSecret()}
			w.Headers = map[string]string{"X-Team": "mail"}
		})
		for _, typ := range webhook.EventTypes() {
			a, err := r.SendTest(r.ctx, "", w.ID, typ)
			require.NoError(t, err)
			assert.Equal(t, 200, a.Status)
		}
		got := r.receiver.requests()
		require.Len(t, got, 9)
		for i, typ := range webhook.EventTypes() {
			assert.Equal(t, string(typ), got[i].Form.Get("type"))
			assert.True(t, strings.HasPrefix(got[i].Header.Get("webhook-id"), "test_"))
			assert.NotEmpty(t, got[i].Header.Get("webhook-signature"))
			assert.Equal(t, "mail", got[i].Header.Get("X-Team"))
		}
		assert.Empty(t, r.log())
		r.receiver.set(status(404))
		a, err := r.SendTest(r.ctx, "", w.ID, webhook.TypeOpen)
		require.NoError(t, err)
		assert.Contains(t, a.Reason, "404")
		_, err = r.SendTest(r.ctx, "", w.ID, "opened")
		require.ErrorAs(t, err, new(*webhook.InvalidError))
	})
}

func TestRedeliverBeginsAgainUnderTheSameID(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{Backoff: webhook.Schedule(time.Second)}).start()
		r.put(nil)
		r.receiver.set(status(500))
		r.emit(open("e1"))
		time.Sleep(time.Minute)
		d := r.log()[0]
		require.Equal(t, webhook.StateFailed, d.State)

		require.ErrorIs(t, r.Redeliver(r.ctx, "another", d.ID), webhook.ErrNotFound)
		require.ErrorIs(t, r.Redeliver(r.ctx, "", "no such"), webhook.ErrNotFound)
		r.receiver.set(nil)
		require.NoError(t, r.Redeliver(r.ctx, "", d.ID))
		synctest.Wait()
		again := r.log()[0]
		assert.Equal(t, webhook.StateDelivered, again.State)
		assert.Len(t, again.Log, 3)
		got := r.receiver.requests()
		assert.Equal(t, got[0].Header.Get("webhook-id"), got[2].Header.Get("webhook-id"))
	})
}

func TestPrintingAWebhookShowsNoSecret(t *testing.T) {
	w := everything()
	w.Secrets = []webhook.Secret{{Key: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}
	w.Headers = map[string]string{"Authorization": "Bearer s3cret"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		text := fmt.Sprintf(verb, w) + fmt.Sprintf(verb, &w) + fmt.Sprintf(verb, w.Secrets) + fmt.Sprintf(verb, w.Settings)
		assert.NotContains(t, text, "MfKQ9r8")
		assert.NotContains(t, text, "s3cret")
	}
}

func TestAProcessThatHasNotHeardOfAChangeYetAsksBeforeItCancels(t *testing.T) {
	for name, change := range map[string]func(*harness, webhook.Webhook) error{
		"added": func(r *harness, _ webhook.Webhook) error {
			_, err := r.AddWebhook(r.ctx, everything())
			return err
		},
		"enabled": func(r *harness, w webhook.Webhook) error {
			w.Disabled = ""
			_, err := r.UpdateWebhook(r.ctx, w)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, nil) // only emits
				w := r.put(func(w *webhook.Webhook) { w.Disabled = "Not ready." })
				other := r.another(&webhook.Options{PollInterval: time.Hour})
				require.NoError(t, other.Start())
				defer other.Shutdown(r.ctx)
				require.NoError(t, other.Emit(r.ctx, open("nobody yet")))
				synctest.Wait()

				require.NoError(t, change(r, w))
				r.emit(open("e1"))
				other.Wake()
				synctest.Wait()
				log := r.log()
				require.Len(t, log, 1)
				assert.Equal(t, webhook.StateDelivered, log[0].State)
			})
		})
	}
}

// An address that was allowed once may be allowed no more. Its webhook can still be
// disabled, get another secret, and have its other settings changed.
func TestAWebhookWhoseAddressIsNoLongerAllowedCanBeEdited(t *testing.T) {
	store := &memstore.Store{}
	was, err := webhook.New(store, webhook.NewClient(&webhook.ClientOptions{AllowHosts: []string{"crm.internal"}}), nil)
	require.NoError(t, err)
	w, err := was.AddWebhook(t.Context(), webhook.Webhook{Account: "acme", Settings: webhook.Settings{
		Name: "CRM", URL: "https://crm.internal/hook", Events: webhook.EventTypes(), Sources: webhook.Sources(),
	}})
	require.NoError(t, err)
	now, err := webhook.New(store, nil, nil)
	require.NoError(t, err)
	w.Disabled = "It is internal."
	w, err = now.UpdateWebhook(t.Context(), w)
	require.NoError(t, err)
	assert.Equal(t, "It is internal.", w.Disabled)
	w.URL = "https://other.internal/hook"
	_, err = now.UpdateWebhook(t.Context(), w)
	var invalid *webhook.InvalidError
	require.ErrorAs(t, err, &invalid)
	assert.Equal(t, "URL", invalid.Field)
}
