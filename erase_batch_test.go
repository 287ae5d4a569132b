package webhook_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
	"github.com/listhook/webhook/webhooktest"
)

// echo has the receiver answer with what it got last.
func (r *harness) echo(code int) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		got := r.receiver.requests()
		resp, err := status(code)(req)
		resp.Body = io.NopCloser(bytes.NewReader(got[len(got)-1].Body))
		return resp, err
	}
}

// batched has a webhook get batches of up to three events, in a format.
func batched(format webhook.Format) func(*webhook.Webhook) {
	return func(w *webhook.Webhook) { w.Format, w.Batch = format, 3 }
}

// mentions returns the deliveries whose log holds a text in an answer or a detail.
func mentions(ds []webhook.Delivery, text string) (ids []string) {
	for _, d := range ds {
		for _, a := range d.Log {
			if strings.Contains(string(a.Response)+a.Detail, text) {
				ids = append(ids, d.ID)
			}
		}
	}
	return ids
}

// threePeople emits an update about each of three persons, and returns their names in the
// order of the batch.
func threePeople(t *testing.T, r *harness) []string {
	t.Helper()
	r.emit(about("11", "one@example.com"), about("12", "two@example.com"), about("13", "three@example.com"))
	time.Sleep(100 * time.Millisecond)
	synctest.Wait()
	reqs := r.receiver.requests()
	require.NotEmpty(t, reqs)
	names := []string{"11", "12", "13"}
	at := func(id string) int { return strings.Index(string(reqs[0].Body), "Name of "+id) }
	if reqs[0].Form != nil {
		at = func(id string) int { return strings.Index(string(reqs[0].Body), "Name+of+"+id) }
	}
	for _, id := range names {
		require.Positive(t, at(id), "all are in one batch: %s", reqs[0].Body)
	}
	slices.SortFunc(names, func(a, b string) int { return at(a) - at(b) })
	return names
}

// The log of a batch's first delivery holds the answer to all of them.
func TestWhatAReceiverEchoedOfABatchIsErasedToo(t *testing.T) {
	for _, format := range []webhook.Format{webhook.FormatJSON, webhook.FormatCurrent} {
		for _, place := range []int{0, 1, 2} {
			for name, answer := range map[string]int{"ended": 200, "pending": 500} {
				t.Run(string(format)+", member "+string(rune('0'+place))+", "+name, func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						r := newHarness(t, &webhook.Options{Backoff: webhook.Schedule(time.Second, time.Hour)}).start()
						r.put(batched(format))
						r.receiver.set(r.echo(answer))
						names := threePeople(t, r)
						time.Sleep(10 * time.Second) // two attempts, if they fail
						before := r.log()
						gone := names[place]
						require.NotEmpty(t, mentions(before, gone))

						for _, want := range []int{1, 0} {
							n, err := r.EraseSubscriber(r.ctx, "", gone, "", nil)
							require.NoError(t, err)
							assert.Equal(t, want, n)
						}
						after := r.log()
						assert.Empty(t, mentions(after, gone))
						for i, d := range after {
							if len(d.Body) == 0 {
								continue
							}
							was := before[i]
							for j := range was.Log {
								was.Log[j].Response = nil
							}
							was.Lease = d.Lease
							assert.Equal(t, was, d, "nothing else is gone")
						}
						if answer == 200 {
							return
						}
						r.receiver.set(nil)
						time.Sleep(2 * time.Hour)
						assert.Equal(t, map[webhook.State]int{webhook.StateDelivered: 2, webhook.StateCanceled: 1}, r.states())
					})
				})
			}
		}
	}
}

// A Detail may quote an answer that is no valid HTTP. The first delivery alone has it then,
// and all of them have a Detail that says nothing of the answer.
func TestADetailThatQuotesTheAnswerIsErasedToo(t *testing.T) {
	for name, c := range map[string]struct {
		answer, detail string
		quotes         bool
	}{
		"not HTTP":     {"number-12\r\n\r\n", "number-12", true},
		"broken head":  {"HTTP/1.1 500 No\r\nThanks, number 12.\r\n\r\n", "number 12", true},
		"broken chunk": {"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\nnumber 12\r\n", "chunk", true},
		"nothing":      {"", "EOF", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				conn, _, err := http.NewResponseController(w).Hijack()
				if assert.NoError(t, err) {
					_, _ = io.WriteString(conn, c.answer)
					_ = conn.Close()
				}
			}))
			defer s.Close()
			changed := make(chan struct{}, 9)
			client := webhook.NewClient(webhooktest.ClientOptions())
			defer client.CloseIdleConnections()
			r := &harness{t: t, ctx: t.Context(), store: memstore.New()}
			d, err := webhook.New(r.store, client, &webhook.Options{
				Hooks: webhook.Hooks{Changed: func(webhook.Delivery) { changed <- struct{}{} }},
			})
			require.NoError(t, err)
			r.Dispatcher = d
			r.put(func(w *webhook.Webhook) {
				batched(webhook.FormatJSON)(w)
				w.URL, w.NoRetry, w.BatchWait = s.URL, true, 50*time.Second // no window ends between the events
			})
			r.start()
			r.emit(about("11", ""), about("12", ""), about("13", ""))
			for range 3 {
				<-changed
			}
			with := mentions(r.log(), c.detail)
			first := r.log()[slices.IndexFunc(r.log(), func(d webhook.Delivery) bool { return len(d.Log[0].Members) == 3 })]
			if c.quotes {
				require.Equal(t, []string{first.ID}, with)
			} else {
				require.Len(t, with, 3)
			}
			erased := "12"
			if id, _ := first.Subscriber(); id == erased {
				erased = "13"
			}
			n, err := r.EraseSubscriber(r.ctx, "", erased, "", nil)
			require.NoError(t, err)
			assert.Equal(t, 1, n)
			if c.quotes {
				assert.Empty(t, mentions(r.log(), c.detail))
			} else {
				assert.Len(t, mentions(r.log(), c.detail), 2)
			}
		})
	}
}

// The second and the third member are erased while the request that brings them is under
// way. Its answer comes afterwards.
func TestAnAnswerThatComesAfterTheErasureIsNotStored(t *testing.T) {
	for _, place := range []int{0, 1, 2} {
		bubble(t, func(t *testing.T) {
			r := newHarness(t, nil).start()
			r.put(batched(webhook.FormatJSON))
			r.receiver.set(func(req *http.Request) (*http.Response, error) {
				time.Sleep(5 * time.Second)
				return r.echo(200)(req)
			})
			names := threePeople(t, r)
			n, err := r.EraseSubscriber(r.ctx, "", names[place], "", nil)
			require.NoError(t, err)
			assert.Equal(t, 1, n)
			time.Sleep(time.Minute)
			assert.Equal(t, map[webhook.State]int{webhook.StateDelivered: 2, webhook.StateCanceled: 1}, r.states())
			assert.Empty(t, mentions(r.log(), names[place]))
			assert.Len(t, r.receiver.requests(), 1, "the others were delivered once")
		})
	}
}

// A meddlingStore calls before ahead of the changes that it is asked for, unless it is nil.
type meddlingStore struct {
	webhook.Store
	before func([]webhook.Change) error
}

func (s *meddlingStore) Apply(ctx context.Context, cs []webhook.Change) ([]string, error) {
	if before := s.before; before != nil {
		if err := before(cs); err != nil {
			return nil, err
		}
	}
	return s.Store.Apply(ctx, cs)
}

func meddled(t *testing.T, opts *webhook.Options) (*harness, *meddlingStore) {
	store := &meddlingStore{Store: &memstore.Store{}}
	return newHarnessOn(t, store, opts), store
}

// A member is erased when its outcome is stored, which names the first delivery, and the
// outcome of that one is not.
func TestAnAnswerOnItsWayToTheStoreIsErasedToo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := meddled(t, nil)
		r.start()
		r.put(batched(webhook.FormatJSON))
		r.receiver.set(r.echo(200))
		erased := 0
		store.before = func(cs []webhook.Change) error {
			if !slices.ContainsFunc(cs, func(c webhook.Change) bool { return c.Log != nil && len(c.Log.Members) == 3 }) {
				return nil
			}
			store.before = nil
			assert.Equal(t, map[webhook.State]int{webhook.StateDelivered: 2, webhook.StatePending: 1}, r.states())
			r.receiver.set(nil)
			var err error
			erased, err = r.EraseSubscriber(r.ctx, "", r.notFirst(), "", nil)
			return err
		}
		threePeople(t, r)
		time.Sleep(time.Hour)
		assert.Equal(t, 1, erased)
		assert.Equal(t, map[webhook.State]int{webhook.StateDelivered: 3}, r.states(), "what is erased had been delivered")
		assert.Empty(t, mentions(r.log(), "Name of"))
		assert.Len(t, r.receiver.requests(), 2, "the first one was attempted again, alone")
	})
}

// notFirst returns the ID of a person whose delivery was not the first of the batch.
func (r *harness) notFirst() string {
	for _, d := range r.log() {
		if len(d.Log) > 0 && d.Log[0].First != "" {
			id, _ := d.Subscriber()
			return id
		}
	}
	r.t.Fatal("no delivery names the first one of a batch")
	return ""
}

// Somebody else changes the first delivery while its answer is removed: it is read again.
func TestAnAnswerIsErasedThoughOthersAreBusy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := meddled(t, nil)
		r.start()
		r.put(batched(webhook.FormatJSON))
		r.receiver.set(r.echo(200))
		threePeople(t, r)
		meddled := 0
		store.before = func(cs []webhook.Change) error {
			for _, c := range cs {
				if len(c.Rewrite) > 0 && meddled < 3 {
					meddled++
					note := &webhook.Attempt{Start: c.Rewrite[0].Start, Status: 200, Response: []byte("of its own")}
					_, err := store.Store.Apply(r.ctx, []webhook.Change{{ID: c.ID, Lease: c.Lease, State: c.State, Due: c.Due, Attempts: c.Attempts, Log: note}})
					require.NoError(t, err)
				}
			}
			return nil
		}
		n, err := r.EraseSubscriber(r.ctx, "", r.notFirst(), "", nil)
		require.NoError(t, err)
		assert.Equal(t, []int{1, 3}, []int{n, meddled})
		assert.Empty(t, mentions(r.log(), "Name of"))
		assert.Len(t, mentions(r.log(), "of its own"), 3, "entries that came meanwhile are kept")
	})
}

// The process dies between the removal of the answer and the erasure, or before both.
func TestAnErasureOfABatchIsBegunAgain(t *testing.T) {
	for dies := range 2 {
		bubble(t, func(t *testing.T) {
			r, store := meddled(t, nil)
			r.start()
			r.put(batched(webhook.FormatJSON))
			r.receiver.set(r.echo(200))
			threePeople(t, r)
			gone, calls := r.notFirst(), 0
			store.before = func([]webhook.Change) error {
				if calls++; calls > dies {
					return errors.New("killed")
				}
				return nil
			}
			_, err := r.EraseSubscriber(r.ctx, "", gone, "", nil)
			require.Error(t, err)
			store.before = nil
			n, err := r.EraseSubscriber(r.ctx, "", gone, "", nil)
			require.NoError(t, err)
			assert.Equal(t, 1, n)
			assert.Empty(t, mentions(r.log(), "Name of"))
		})
	}
}

// EraseSubscriber reads the logs of deliveries that it finds by hashes.
func TestAnAnswerIsErasedOfWhatIsFoundByItsHashes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		since := time.Now()
		r := newHarness(t, &webhook.Options{SearchKey: searchKey, DropBodies: true}).start()
		r.put(batched(webhook.FormatJSON))
		r.receiver.set(r.echo(200))
		names := threePeople(t, r)
		n, err := r.EraseSubscriber(r.ctx, "", names[1], "", &webhook.EraseOptions{SearchableSince: since})
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		assert.Empty(t, mentions(r.log(), "Name of"))
	})
}

// A receiver that is told first echoes too.
func TestAnAnswerToWhatIsToldBeforeAnErasureIsErasedToo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(func(w *webhook.Webhook) { batched(webhook.FormatJSON)(w); w.BatchWait = 20 * time.Second })
		r.receiver.set(r.echo(200))
		r.emit(about("11", ""), leave("12"))
		n, err := r.EraseSubscriber(r.ctx, "", "12", "", &webhook.EraseOptions{DeliverUntil: time.Now().Add(time.Hour)})
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		require.Equal(t, []int{2}, sizes(t, r.receiver.requests()))
		assert.Equal(t, map[webhook.State]int{webhook.StateDelivered: 2}, r.states())
		for _, d := range r.log() {
			for _, a := range d.Log {
				assert.Empty(t, a.Response)
			}
		}
	})
}

// An account that is erased keeps no answer, whether or not bodies were dropped.
func TestAnErasedAccountKeepsNoAnswer(t *testing.T) {
	for _, drop := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			r := newHarness(t, &webhook.Options{DropBodies: drop}).start()
			r.put(batched(webhook.FormatJSON))
			r.receiver.set(r.echo(200))
			threePeople(t, r)
			for _, want := range []int{3, 0} {
				_, n, err := r.EraseAccount(r.ctx, "")
				require.NoError(t, err)
				assert.Equal(t, want, n)
			}
			assert.Empty(t, mentions(r.log(), "Name of"))
		})
	}
}
