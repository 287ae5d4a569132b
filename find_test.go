package webhook_test

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

var searchKey = bytes.Repeat([]byte("k"), 32)

// find returns the IDs of the events whose deliveries are about something.
func (r *harness) find(account string, kind webhook.SubjectKind, value string) (events []string) {
	r.t.Helper()
	subject, err := r.Subject(account, kind, value)
	require.NoError(r.t, err)
	ds, err := r.Deliveries(r.ctx, webhook.DeliveryQuery{Account: account, Subject: subject, Oldest: true})
	require.NoError(r.t, err)
	for _, d := range ds {
		events = append(events, string(d.Type)+" "+d.EventID)
	}
	slices.Sort(events)
	return slices.Compact(events)
}

func TestDeliveriesAreFoundByWhatTheyAreAbout(t *testing.T) {
	r := newHarness(t, &webhook.Options{SearchKey: searchKey, Catalogue: append(catalogueOfNine(), webhook.EventInfo{Type: "finished"})})
	for _, format := range []webhook.Format{webhook.Format2013, webhook.FormatCurrent, webhook.FormatJSON} {
		r.put(func(w *webhook.Webhook) { w.Format, w.Events = format, append(webhook.EventTypes(), "finished") })
	}
	r.put(func(w *webhook.Webhook) { w.Account = "another" })
	meta := func(id string) webhook.Meta { return webhook.Meta{ID: id, Source: webhook.SourceAPI} }
	bob := webhook.Subscriber{ID: "12", Email: "Bob@Example.com"}
	campaign := webhook.Campaign{ID: "12", Name: "November"}
	elsewhere := meta("elsewhere")
	elsewhere.Account = "another"
	split := meta("split")
	split.Lists = []string{"1", "2", "3"}
	r.emit(
		webhook.Update{Meta: meta("update"), Subscriber: bob},
		webhook.Update{Meta: elsewhere, Subscriber: bob},
		webhook.Update{Meta: meta("only the address"), Subscriber: webhook.Subscriber{Email: "BOB@example.COM"}},
		&webhook.Open{Meta: meta("open"), Subscriber: webhook.Subscriber{ID: "112", Email: "ann@example.com"}, Campaign: campaign},
		webhook.Sent{Meta: meta("12"), Campaign: campaign},
		webhook.Unsubscribe{Meta: split, Subscriber: bob, Campaign: &webhook.Campaign{ID: "7"}},
		webhook.Custom{Meta: meta("custom"), Name: "finished", Subscriber: &bob, Campaign: &campaign},
		webhook.Custom{Meta: meta("nobody"), Name: "finished"},
	)
	for _, c := range []struct {
		account string
		kind    webhook.SubjectKind
		value   string
		want    []string
	}{
		{"", webhook.SubjectSubscriber, "12", []string{"finished custom", "unsubscribe split", "update update"}},
		{"", webhook.SubjectSubscriber, "1", nil},
		{"", webhook.SubjectEmail, "bob@example.com", []string{"finished custom", "unsubscribe split", "update only the address", "update update"}},
		{"", webhook.SubjectEmail, "bob@example.co", nil},
		{"", webhook.SubjectEmail, "12", nil},
		{"", webhook.SubjectCampaign, "12", []string{"finished custom", "open open", "sent 12"}},
		{"", webhook.SubjectCampaign, "7", []string{"unsubscribe split"}},
		{"", webhook.SubjectEvent, "12", []string{"sent 12"}},
		{"", webhook.SubjectEvent, "nobody", []string{"finished nobody"}},
		{"another", webhook.SubjectSubscriber, "12", []string{"update elsewhere"}},
		{"another", webhook.SubjectEvent, "update", nil},
	} {
		assert.Equal(t, c.want, r.find(c.account, c.kind, c.value), "%s %s of %q", c.kind, c.value, c.account)
	}
	of, err := r.Subject("", webhook.SubjectEvent, "split")
	require.NoError(t, err)
	n, err := r.Count(r.ctx, webhook.DeliveryQuery{Subject: of})
	require.NoError(t, err)
	assert.Equal(t, 9, n, "one for each list and webhook")
	for _, d := range r.log() {
		assert.LessOrEqual(t, len(d.Subjects), 4)
		for _, subject := range d.Subjects {
			assert.NotContains(t, strings.ToLower(subject), "bob")
			assert.Len(t, subject, 23)
		}
	}
}

// catalogueOfNine is the catalogue of an app that names none.
func catalogueOfNine() []webhook.EventInfo {
	var infos []webhook.EventInfo
	for _, t := range webhook.EventTypes() {
		infos = append(infos, webhook.EventInfo{Type: t})
	}
	return infos
}

func TestWithoutASearchKeyNothingIsFound(t *testing.T) {
	r := newHarness(t, nil)
	r.put(nil)
	r.emit(about("12", "bob@example.com"))
	assert.False(t, r.Searchable())
	assert.Empty(t, r.log()[0].Subjects)
	var invalid *webhook.InvalidError
	_, err := r.Subject("", webhook.SubjectEmail, "bob@example.com")
	require.ErrorAs(t, err, &invalid)
	assert.Equal(t, "Options.SearchKey", invalid.Field)
	_, err = r.EraseSubscriber(r.ctx, "", "12", "", &webhook.EraseOptions{SearchableSince: time.Now()})
	require.ErrorAs(t, err, &invalid)
	assert.Equal(t, "SearchableSince", invalid.Field)

	searching := r.another(&webhook.Options{SearchKey: searchKey})
	assert.True(t, searching.Searchable())
	_, err = searching.Subject("", "name", "Bob")
	require.ErrorAs(t, err, &invalid)
	_, err = searching.Subject("", webhook.SubjectEmail, "")
	require.ErrorAs(t, err, &invalid)
	_, err = webhook.New(r.store, nil, &webhook.Options{SearchKey: searchKey[:31]})
	require.ErrorAs(t, err, &invalid)
	assert.Equal(t, "Options.SearchKey", invalid.Field)
	assert.NotContains(t, err.Error(), "kkk")
}

// The key of a line and what its deliveries are found by are one hash, which whoever
// does not have the SearchKey cannot make.
func TestTheHashesNeedTheSearchKey(t *testing.T) {
	r := newHarness(t, &webhook.Options{SearchKey: searchKey})
	r.put(nil)
	r.emit(about("12", "bob@example.com"))
	stored := r.log()[0]
	id, err := r.Subject("", webhook.SubjectSubscriber, "12")
	require.NoError(t, err)
	assert.Equal(t, id, stored.Key)
	other := r.another(&webhook.Options{SearchKey: append([]byte("another"), searchKey...)})
	guess, err := other.Subject("", webhook.SubjectSubscriber, "12")
	require.NoError(t, err)
	assert.NotEqual(t, id, guess)

	require.NoError(t, r.another(nil).Emit(r.ctx, about("12", "bob@example.com")))
	n, err := r.Count(r.ctx, webhook.DeliveryQuery{Key: id})
	require.NoError(t, err)
	assert.Equal(t, 1, n, "without the key it is another hash")
}

// A readingStore counts the deliveries that are read with their bodies.
type readingStore struct {
	webhook.Store
	bodies int
}

func (s *readingStore) Deliveries(ctx context.Context, q webhook.DeliveryQuery) ([]webhook.Delivery, error) {
	ds, err := s.Store.Deliveries(ctx, q)
	if !q.Brief {
		s.bodies += len(ds)
	}
	return ds, err
}

func TestAPersonIsErasedWithoutReadingTheLog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		r.put(nil)
		r.put(func(w *webhook.Webhook) { w.Format = webhook.FormatJSON })
		bob, ann := about("12", "Bob@example.com"), about("13", "ann@example.com")
		r.emit(bob, ann) // before there was a SearchKey
		time.Sleep(time.Hour)
		since := time.Now()
		store := &readingStore{Store: r.store}
		d, err := webhook.New(store, &http.Client{Transport: r.receiver}, &webhook.Options{SearchKey: searchKey})
		require.NoError(t, err)
		require.NoError(t, d.Emit(r.ctx, bob, about("12", "old@example.com"), about("99", "bob@EXAMPLE.com"), ann, ann, ann))

		opts := &webhook.EraseOptions{SearchableSince: since}
		n, err := d.EraseSubscriber(r.ctx, "", "12", "bob@example.com", opts)
		require.NoError(t, err)
		assert.Equal(t, 8, n, "of two webhooks, three since and one before")
		assert.Equal(t, 6+4, store.bodies, "what is erased is read, and what was emitted before")
		for _, del := range r.log() {
			if len(del.Body) == 0 {
				assert.Empty(t, del.Subjects)
				assert.Empty(t, del.Key)
				assert.Equal(t, webhook.StateCanceled, del.State)
			} else {
				assert.Contains(t, string(del.Body), "ann")
			}
		}

		require.NoError(t, d.Emit(r.ctx, bob))
		store.bodies = 0
		opts.SearchableSince = since.Add(-2 * time.Hour)
		n, err = d.EraseSubscriber(r.ctx, "", "", "BOB@example.com", opts)
		require.NoError(t, err)
		assert.Equal(t, 2, n)
		assert.Equal(t, 2, store.bodies, "what is erased is read, and nothing else")

		require.NoError(t, d.Emit(r.ctx, ann))
		n, err = d.EraseSubscriber(r.ctx, "", "13", "", nil)
		require.NoError(t, err)
		assert.Equal(t, 10, n, "without the time everything is read")
	})
}

func TestAPersonsPendingDeliveriesEndBeforeTheyAreErasedByHash(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{SearchKey: searchKey}).start()
		r.put(nil)
		r.receiver.set(hang)
		began := time.Now()
		r.emit(about("12", "bob@example.com"))
		go func() {
			time.Sleep(time.Second)
			r.receiver.set(status(200))
		}()
		n, err := r.EraseSubscriber(r.ctx, "", "12", "", &webhook.EraseOptions{
			DeliverUntil: began.Add(time.Hour), SearchableSince: began,
		})
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		d := r.log()[0]
		assert.Equal(t, webhook.StateDelivered, d.State)
		assert.Empty(t, d.Body)
		assert.Empty(t, d.Subjects)
	})
}
