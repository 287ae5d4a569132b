package webhook_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// withFields is an event as campaigns have most of them: an open by a subscriber
// with three custom fields.
func withFields(id string) webhook.Open {
	return webhook.Open{
		Meta: webhook.Meta{
			ID: id, Account: "7", Lists: []string{"3"}, Source: webhook.SourcePublic,
			Time: time.Date(2026, 11, 23, 9, 28, 42, 0, time.UTC),
		},
		Subscriber: webhook.Subscriber{
			ID: "4711", Email: "jane.doe@example.com", FirstName: "Jane", LastName: "Doe", IP: "203.0.113.7",
			Fields: map[string]string{"1": "Berlin", "2": "premium", "3": "2026-11-23"},
		},
		Campaign: webhook.Campaign{ID: "42", Name: "November news"},
	}
}

// benchDispatcher has one webhook, which wants what the arguments say.
func benchDispatcher(b *testing.B, client *http.Client, url string, events ...webhook.EventType) *webhook.Dispatcher {
	b.Helper()
	d, err := webhook.New(new(memstore.Store), client, &webhook.Options{PollInterval: time.Minute})
	require.NoError(b, err)
	_, err = d.AddWebhook(b.Context(), webhook.Webhook{Account: "7", Settings: webhook.Settings{
		URL: url, Events: events, Sources: webhook.Sources(), Secrets: []webhook.Secret{webhook.NewSecret()},
	}})
	require.NoError(b, err)
	return d
}

// An event that nobody wants is validated, compared with the account's
// webhooks, and costs no call of the store.
func BenchmarkEmitUnwanted(b *testing.B) {
	d := benchDispatcher(b, nil, "https://example.com/hook", webhook.TypeBounce)
	e, ctx := withFields("1"), b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Emit(ctx, e); err != nil {
			b.Fatal(err)
		}
	}
}

// What an event that one webhook wants costs the library itself: it is
// validated, compared with the account's webhooks, and encoded.
func BenchmarkEmitTx(b *testing.B) {
	d := benchDispatcher(b, nil, "https://example.com/hook", webhook.TypeOpen)
	e, ctx := withFields("1"), b.Context()
	require.NoError(b, d.Emit(ctx, e)) // the account is read from the store
	b.ReportAllocs()
	for b.Loop() {
		if err := d.EmitTx(ctx, nowhere{}, e); err != nil {
			b.Fatal(err)
		}
	}
}

// What hashes of whom and what it is about add: see Options.SearchKey.
func BenchmarkEmitTxSearchable(b *testing.B) {
	d, err := webhook.New(new(memstore.Store), nil, &webhook.Options{PollInterval: time.Minute, SearchKey: searchKey})
	require.NoError(b, err)
	_, err = d.AddWebhook(b.Context(), webhook.Webhook{Account: "7", Settings: webhook.Settings{
		URL: "https://example.com/hook", Events: []webhook.EventType{webhook.TypeOpen}, Sources: webhook.Sources(),
	}})
	require.NoError(b, err)
	e, ctx := withFields("1"), b.Context()
	require.NoError(b, d.Emit(ctx, e))
	b.ReportAllocs()
	for b.Loop() {
		if err := d.EmitTx(ctx, nowhere{}, e); err != nil {
			b.Fatal(err)
		}
	}
}

// nowhere is an outbox that keeps nothing.
type nowhere struct{ webhook.Outbox }

func (nowhere) Enqueue(context.Context, []webhook.OutboxEvent) ([]string, error) { return nil, nil }

// An event that one webhook wants is encoded and stored; nothing is delivered.
func BenchmarkEmit(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run("callers="+strconv.Itoa(callers), func(b *testing.B) {
			d := benchDispatcher(b, nil, "https://example.com/hook", webhook.TypeOpen)
			b.ReportAllocs()
			b.ResetTimer()
			var emitting sync.WaitGroup
			for c := range callers {
				emitting.Go(func() {
					for n := c; n < b.N; n += callers {
						if err := d.Emit(context.Background(), withFields(strconv.Itoa(n))); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			emitting.Wait()
		})
	}
}

// From the call of Emit to the answer of a receiver in the same process, by 64
// callers, with everything but a database and a network.
func BenchmarkDeliver(b *testing.B) {
	var arrived sync.WaitGroup
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived.Done()
	}))
	defer receiver.Close()
	d := benchDispatcher(b, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}, receiver.URL, webhook.TypeOpen)
	require.NoError(b, d.Start())
	b.ReportAllocs()
	b.ResetTimer()
	var emitting sync.WaitGroup
	const callers = 64
	arrived.Add(b.N)
	for c := range callers {
		emitting.Go(func() {
			for n := c; n < b.N; n += callers {
				if err := d.Emit(context.Background(), withFields(strconv.Itoa(n))); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	emitting.Wait()
	arrived.Wait()
	b.StopTimer()
	require.NoError(b, d.Shutdown(context.Background()))
}
