package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// bodies emits an open by ann for the account and returns the body that each of
// two webhooks gets, one of the current format and one of that of 2013.
func bodies(t *testing.T, opts *webhook.Options, subscriber webhook.Subscriber) (current, of2013 string) {
	t.Helper()
	opts.Logger = slog.New(slog.DiscardHandler)
	subscriber.ID = "1"
	r := newHarness(t, opts)
	for _, f := range []webhook.Format{webhook.FormatCurrent, webhook.Format2013} {
		r.put(func(w *webhook.Webhook) { w.Account, w.Format = "7", f })
	}
	require.NoError(t, r.Emit(r.ctx, webhook.Open{
		Meta: webhook.Meta{Account: "7", Source: webhook.SourcePublic}, Subscriber: subscriber,
	}))
	ds, err := r.Deliveries(r.ctx, webhook.DeliveryQuery{Account: "7"})
	require.NoError(t, err)
	require.Len(t, ds, 2)
	current, of2013 = string(ds[0].Body), string(ds[1].Body)
	if strings.Contains(current, "subscriber") {
		current, of2013 = of2013, current
	}
	return current, of2013
}

func TestTheCurrentFormatNamesTheCustomersAccount(t *testing.T) {
	acme := func(_ context.Context, account string) (webhook.CustomerAccount, error) {
		return webhook.CustomerAccount{OrgName: "Acme & Co", Name: "acme-" + account, ID: "42"}, nil
	}
	const named = "&orgname=Acme+%26+Co&customer_acct_name=acme-7&customer_acct_id=42"
	const unnamed = "&orgname=&customer_acct_name=&customer_acct_id="
	for name, c := range map[string]struct {
		option   func(context.Context, string) (webhook.CustomerAccount, error)
		person   webhook.Subscriber
		contact  string // of contact[customer_acct_name]
		toplevel string
	}{
		"without the option":           {nil, webhook.Subscriber{}, "", unnamed},
		"by account":                   {acme, webhook.Subscriber{}, "acme-7", named},
		"of which a person has others": {acme, webhook.Subscriber{CustomerAccount: "Ann's"}, "Ann%27s", named},
		"that fails": {func(context.Context, string) (webhook.CustomerAccount, error) {
			return webhook.CustomerAccount{Name: "half"}, errors.New("no database")
		}, webhook.Subscriber{}, "", unnamed},
		"that panics": {func(context.Context, string) (webhook.CustomerAccount, error) { panic("a bug") },
			webhook.Subscriber{}, "", unnamed},
		"that is too long": {func(context.Context, string) (webhook.CustomerAccount, error) {
			return webhook.CustomerAccount{ID: strings.Repeat("x", 256)}, nil
		}, webhook.Subscriber{}, "", unnamed},
	} {
		t.Run(name, func(t *testing.T) {
			current, of2013 := bodies(t, &webhook.Options{CustomerAccount: c.option}, c.person)
			assert.Contains(t, current, "&contact%5Bphone%5D=&contact%5Borgname%5D=&contact%5Btags%5D=&contact%5Bcustomer_acct_name%5D="+c.contact+"&")
			assert.True(t, strings.HasSuffix(current, c.toplevel), current)
			assert.NotContains(t, of2013, "orgname")
			assert.NotContains(t, of2013, "acme")
		})
	}
}

func TestWithoutAWebhookOfTheCurrentFormatTheAppIsNotAsked(t *testing.T) {
	asked := 0
	r := newHarness(t, &webhook.Options{CustomerAccount: func(context.Context, string) (webhook.CustomerAccount, error) {
		asked++
		return webhook.CustomerAccount{}, nil
	}})
	r.put(nil)
	e := webhook.Sample(webhook.TypeOpen)
	require.NoError(t, r.Emit(r.ctx, e))
	assert.Zero(t, asked)
	r.put(func(w *webhook.Webhook) { w.Format = webhook.FormatCurrent })
	require.NoError(t, r.Emit(r.ctx, e, webhook.Sample(webhook.TypeSent)))
	assert.Equal(t, 2, asked, "once for each event")
}

func TestATestNamesTheCustomersAccountToo(t *testing.T) {
	r := newHarness(t, &webhook.Options{CustomerAccount: func(context.Context, string) (webhook.CustomerAccount, error) {
		return webhook.CustomerAccount{Name: "acme"}, nil
	}})
	w := r.put(func(w *webhook.Webhook) { w.Format = webhook.FormatCurrent })
	_, err := r.SendTest(r.ctx, w.Account, w.ID, webhook.TypeOpen)
	require.NoError(t, err)
	form := r.receiver.requests()[0].Form
	assert.Equal(t, "acme", form.Get("customer_acct_name"))
	assert.Equal(t, "acme", form.Get("contact[customer_acct_name]"))
}

// The body's limit holds however long the names are, in the format in which they are
// longest.
func TestTheBodysLimitHoldsWithACustomersAccount(t *testing.T) {
	const limit = 8 << 10
	long := strings.Repeat("\x01", 255)
	opts := &webhook.Options{BodyLimit: limit, CustomerAccount: func(context.Context, string) (webhook.CustomerAccount, error) {
		return webhook.CustomerAccount{OrgName: long, Name: long, ID: long}, nil
	}}
	longest := 0
	for n := limit - 7500; ; n += 50 {
		r := newHarness(t, opts)
		r.put(func(w *webhook.Webhook) { w.Format = webhook.FormatJSON })
		e := webhook.Sample(webhook.TypeOpen).(webhook.Open)
		e.Campaign.Name = strings.Repeat("x", n)
		if err := r.Emit(r.ctx, e); err != nil {
			var invalid *webhook.InvalidError
			require.ErrorAs(t, err, &invalid)
			assert.Equal(t, &webhook.InvalidError{
				Field: "Event", Reason: fmt.Sprintf("makes a body of more than %d bytes", limit-6120),
			}, invalid)
			break
		}
		ds, err := r.Deliveries(r.ctx, webhook.DeliveryQuery{})
		require.NoError(t, err)
		longest = len(ds[0].Body)
		require.LessOrEqual(t, longest, limit)
	}
	assert.Greater(t, longest, limit-1000, "and the limit is not wasted")

	opts.BodyLimit--
	_, err := webhook.New(newHarness(t, nil).store, nil, opts)
	assert.Equal(t, &webhook.InvalidError{
		Field: "Options.BodyLimit", Reason: "is 8191; with CustomerAccount it must be at least 8192",
	}, err)
}

func TestAClearedFieldIsSentEmptyAndReadBack(t *testing.T) {
	current, of2013 := bodies(t, &webhook.Options{}, webhook.Subscriber{
		Fields: map[string]string{"7": "", "8": webhook.Choices(), "9": "x"},
	})
	assert.Contains(t, current, "contact%5Bfields%5D%5B7%5D=&contact%5Bfields%5D%5B8%5D=&contact%5Bfields%5D%5B9%5D=x&")
	assert.Contains(t, of2013, "subscriber%5Bfields%5D%5B7%5D=&subscriber%5Bfields%5D%5B8%5D=&subscriber%5Bfields%5D%5B9%5D=x&")
	for _, body := range []string{current, of2013} {
		req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		events, err := webhook.ParseRequest(req, &webhook.ReceiveOptions{Unsigned: true})
		require.NoError(t, err)
		assert.Equal(t, map[string]string{"7": "", "8": "", "9": "x"}, events[0].(webhook.Open).Subscriber.Fields)
	}
	current, of2013 = bodies(t, &webhook.Options{}, webhook.Subscriber{Fields: map[string]string{}})
	assert.NotContains(t, current+of2013, "fields", "what is not known is left out")
}
