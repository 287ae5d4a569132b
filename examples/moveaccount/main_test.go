package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage"
)

// The test's own program, called with these variables, is a process that moves the
// account, and stops for good at a step.
const (
	moveDir  = "MOVEACCOUNT_DIR"
	moveStop = "MOVEACCOUNT_STOP"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(moveDir); dir != "" {
		if err := moveInProcess(context.Background(), dir, os.Getenv(moveStop)); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func moveInProcess(ctx context.Context, dir, stop string) error {
	a, err := openApp(ctx, nil, dir, "first", "second")
	if err != nil {
		return err
	}
	defer a.close()
	return (&mover{from: a.databases[0], to: a.databases[1], account: example, progress: func(step string) {
		fmt.Println(step)
		if step == stop {
			select {} // until it is killed
		}
	}}).move(ctx)
}

// startMove moves the account in a process of its own, and kills it with SIGKILL at a
// step. Without one it waits for its end.
func startMove(t *testing.T, dir, stop string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	process := exec.CommandContext(ctx, os.Args[0])
	process.Env = append(os.Environ(), moveDir+"="+dir, moveStop+"="+stop)
	out, err := process.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, process.Start())
	last := ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if last = lines.Text(); last == stop {
			require.NoError(t, process.Process.Kill())
		}
	}
	err = process.Wait()
	if stop == "" {
		require.NoError(t, err, last)
	} else {
		require.Equal(t, stop, last, "the move did not get there")
	}
}

// While the mover is killed at each of its steps, the app goes on: what was emitted is
// delivered once.
func TestAMoveThatIsKilledLosesAndRepeatsNothing(t *testing.T) {
	for _, stops := range [][]string{
		{"announced"}, {"frozen"}, {"paused"}, {"quiet"}, {"webhooks copied"}, {"copying deliveries"}, {"deliveries copied"},
		{"moving webhooks"}, {"webhooks moved"}, {"deletions copied"}, {"switched"}, {"resumed"}, {"erased"},
		{"announced", "frozen", "paused", "copying deliveries", "copying deliveries", "webhooks moved", "switched", "resumed", "erased"},
	} {
		t.Run(strings.Join(stops, ", "), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r, err := receive()
			require.NoError(t, err)
			defer r.server.Close()
			a, err := openApp(t.Context(), r.client(), dir, "first", "second")
			require.NoError(t, err)
			defer a.close()
			require.NoError(t, a.addAccount(t.Context(), example, "first", r.url))
			require.NoError(t, a.start())

			stop, emitted, failed := make(chan struct{}), make(chan int, 1), make(chan error, 1)
			go func() { // it ends once the move has
				for n := 0; ; n++ {
					select {
					case <-stop:
						emitted <- n
						return
					case <-time.After(3 * time.Millisecond):
					}
					if err := a.emit(context.Background(), example, event(n)); err != nil {
						failed <- err
						emitted <- n
						return
					}
				}
			}()
			require.Eventually(t, func() bool { return len(r.seen()) > 10 }, time.Minute, 10*time.Millisecond)
			for _, step := range stops {
				startMove(t, dir, step)
			}
			startMove(t, dir, "")
			before := len(r.seen())
			require.Eventually(t, func() bool { return len(r.seen()) > before+10 }, time.Minute, 10*time.Millisecond, "it goes on")
			close(stop)
			n := <-emitted
			select {
			case err := <-failed:
				t.Fatal(err)
			default:
			}
			require.Eventually(t, func() bool { return len(r.seen()) == n }, time.Minute, 10*time.Millisecond, "%d were emitted", n)
			for id, times := range r.seen() {
				assert.Equal(t, 1, times, id)
			}

			d, err := a.find(t.Context(), example)
			require.NoError(t, err)
			assert.Equal(t, "second", d.name)
			left, err := a.databases[0].store.Webhooks(t.Context(), webhook.WebhookQuery{Account: example})
			require.NoError(t, err)
			assert.Empty(t, left)
			require.NoError(t, a.emit(t.Context(), example, event(0)), "again")
			log, err := d.dispatcher.Count(t.Context(), webhook.DeliveryQuery{Account: example})
			require.NoError(t, err)
			assert.Equal(t, n, log, "the log is there, and what is emitted again is known")
		})
	}
}

func TestAWebhookIsMovedAsItIs(t *testing.T) {
	a, err := openApp(t.Context(), nil, t.TempDir(), "first", "second")
	require.NoError(t, err)
	defer a.close()
	require.NoError(t, a.addAccount(t.Context(), example, "first", "https://crm.example.com"))
	from, to := a.databases[0], a.databases[1]
	off, err := from.dispatcher.AddWebhook(t.Context(), webhook.Webhook{Account: example, Settings: webhook.Settings{
		Name: "off", URL: "https://off.example.com", Events: webhook.EventTypes(), Sources: webhook.Sources(), Disabled: "It moved.", KeepEvents: true,
	}})
	require.NoError(t, err)
	require.NoError(t, a.emit(t.Context(), example, event(1)))
	before, err := from.dispatcher.Webhooks(t.Context(), webhook.WebhookQuery{Account: example})
	require.NoError(t, err)
	m := &mover{from: from, to: to, account: example, progress: func(string) {}}
	require.NoError(t, m.move(t.Context()))
	require.NoError(t, m.move(t.Context()), "again")
	after, err := to.dispatcher.Webhooks(t.Context(), webhook.WebhookQuery{Account: example})
	require.NoError(t, err)
	require.Len(t, after, 2)
	for i := range after {
		after[i].Version, after[i].Put, after[i].Changed = before[i].Version, before[i].Put, before[i].Changed
		assert.Equal(t, before[i], after[i])
	}
	n, err := to.dispatcher.Count(t.Context(), webhook.DeliveryQuery{Account: example, Webhook: off.ID, States: []webhook.State{webhook.StatePending}})
	require.NoError(t, err)
	assert.Equal(t, 1, n, "what it keeps is moved too")

	back := &mover{from: to, to: from, account: example, progress: func(string) {}}
	require.ErrorContains(t, back.move(t.Context()), "wait until they are pruned")
	require.NoError(t, a.emit(t.Context(), example, event(2)), "the account is where it was")
	other := &mover{from: from, to: to, account: "nobody", progress: func(string) {}}
	require.ErrorContains(t, other.move(t.Context()), "nobody is not in first")
	_, err = a.find(t.Context(), "nobody")
	require.ErrorIs(t, err, webhook.ErrNotFound, "that left no trace")
}

// movable returns an app whose account has the webhook, and what moves it.
func movable(t *testing.T, s webhook.Settings, progress func(step string)) (*app, *mover, webhook.Webhook) {
	a, err := openApp(t.Context(), nil, t.TempDir(), "first", "second")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, a.close()) })
	from, to := a.databases[0], a.databases[1]
	_, err = from.setState(t.Context(), example, here, "")
	require.NoError(t, err)
	s.Name, s.URL, s.Events, s.Sources = "CRM", "https://crm.example.com", webhook.EventTypes(), webhook.Sources()
	w, err := from.dispatcher.AddWebhook(t.Context(), webhook.Webhook{Account: example, Settings: s})
	require.NoError(t, err)
	return a, &mover{from: from, to: to, account: example, progress: progress}, w
}

func TestWhatWasNotedOfAWebhookIsMoved(t *testing.T) {
	a, m, w := movable(t, webhook.Settings{KeepEvents: true}, func(string) {})
	require.NoError(t, a.emit(t.Context(), example, event(1)))
	_, err := m.from.dispatcher.StartReplay(t.Context(), example, w.ID, "r1", webhook.ReplayQuery{States: []webhook.State{webhook.StateFailed}})
	require.NoError(t, err)
	before, err := m.from.store.Webhooks(t.Context(), webhook.WebhookQuery{Account: example})
	require.NoError(t, err)
	before[0].HeldUntil = time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond) // as after a 429
	before[0].Tallies = []byte("charts")
	_, err = m.from.store.PutWebhook(t.Context(), before[0])
	require.NoError(t, err)
	taken := time.Time{}
	m.progress = func(step string) {
		if step == "paused" {
			ws, err := m.from.store.Webhooks(t.Context(), webhook.WebhookQuery{Account: example})
			require.NoError(t, err)
			taken = ws[0].Replay.Taken
		}
	}
	require.NoError(t, m.move(t.Context()))
	assert.True(t, taken.After(time.Now().Add(time.Hour)), "the replay waits")
	after, err := m.to.store.Webhooks(t.Context(), webhook.WebhookQuery{Account: example, Tallies: true})
	require.NoError(t, err)
	after[0].Version, after[0].Put, after[0].Changed = before[0].Version, before[0].Put, before[0].Changed
	assert.Equal(t, before, after)
}

func TestAWebhookThatIsDeletedDuringTheMoveStaysDeleted(t *testing.T) {
	_, m, w := movable(t, webhook.Settings{}, nil)
	m.progress = func(step string) {
		if step == "webhooks copied" {
			require.NoError(t, m.from.dispatcher.DeleteWebhook(t.Context(), example, w.ID))
		}
	}
	require.NoError(t, m.move(t.Context()))
	require.NoError(t, m.move(t.Context()), "again")
	left, err := m.to.dispatcher.Webhooks(t.Context(), webhook.WebhookQuery{Account: example})
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestAMoveWaitsForBatchesUnderWay(t *testing.T) {
	steps := []string{}
	a, m, _ := movable(t, webhook.Settings{Format: webhook.FormatJSON, Batch: 25, BatchWait: 50 * time.Second}, func(step string) {
		steps = append(steps, step)
	})
	require.NoError(t, a.emit(t.Context(), example, event(1)))
	now := time.Now().UTC().Truncate(time.Millisecond)
	ds, err := m.from.store.Claim(t.Context(), webhook.Claim{Now: now, Until: now.Add(2*timeout + 50*time.Second), Limit: 1, Each: 1})
	require.NoError(t, err)
	require.Len(t, ds, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	require.ErrorIs(t, m.move(ctx), context.DeadlineExceeded)
	assert.Equal(t, "paused", steps[len(steps)-1])
	_, err = m.from.store.Apply(t.Context(), []webhook.Change{{ID: ds[0].ID, Lease: ds[0].Lease, State: webhook.StateDelivered, Due: now}})
	require.NoError(t, err)
	require.NoError(t, m.move(t.Context()))
}

func TestLinesAreMovedAsTheyAre(t *testing.T) {
	a, m, w := movable(t, webhook.Settings{KeepEvents: true, Disabled: "It is down."}, func(string) {})
	for n := range 6 {
		e := webhook.Sample(webhook.TypeUpdate).(webhook.Update)
		e.ID, e.Account = fmt.Sprint("event-", n), example
		require.NoError(t, a.emit(t.Context(), example, e))
		time.Sleep(2 * time.Millisecond)
	}
	ds, err := m.from.store.Deliveries(t.Context(), webhook.DeliveryQuery{Account: example, Oldest: true})
	require.NoError(t, err)
	require.Len(t, ds, 6)
	now := time.Now().UTC().Truncate(time.Millisecond)
	lost, err := m.from.store.Apply(t.Context(), []webhook.Change{
		{ID: ds[0].ID, Lease: 0, State: webhook.StatePending, Due: ds[0].Due, LeaveLine: true},
		{ID: ds[2].ID, Lease: 0, State: webhook.StateDelivered, Due: now},
		{ID: ds[2].ID, Lease: 1, State: webhook.StatePending, Due: ds[2].Due, Joined: now}, // again, at the end
	})
	require.NoError(t, err)
	require.Empty(t, lost)
	require.NoError(t, m.move(t.Context()))

	moved, err := m.to.store.Deliveries(t.Context(), webhook.DeliveryQuery{Account: example, IDs: []string{ds[0].ID}})
	require.NoError(t, err)
	require.Len(t, moved, 1)
	assert.True(t, moved[0].PassedOver)
	ws, err := m.to.store.Webhooks(t.Context(), webhook.WebhookQuery{Account: example})
	require.NoError(t, err)
	require.Equal(t, w.ID, ws[0].ID)
	ws[0].HeldUntil = time.Time{}
	_, err = m.to.store.PutWebhook(t.Context(), ws[0])
	require.NoError(t, err)
	var order []string
	for range ds {
		claimed, err := m.to.store.Claim(t.Context(), webhook.Claim{Now: now, Until: now.Add(time.Hour), Limit: 10, Each: 10})
		require.NoError(t, err)
		for _, d := range claimed {
			if d.ID != ds[0].ID {
				order = append(order, d.EventID)
			}
			_, err := m.to.store.Apply(t.Context(), []webhook.Change{{ID: d.ID, Lease: d.Lease, State: webhook.StateDelivered, Due: now}})
			require.NoError(t, err)
		}
	}
	assert.Equal(t, []string{"event-1", "event-3", "event-4", "event-5", "event-2"}, order)
}

func TestOneHandlerForBothDatabases(t *testing.T) {
	a, err := openApp(t.Context(), nil, t.TempDir(), "first", "second")
	require.NoError(t, err)
	defer a.close()
	require.NoError(t, a.addAccount(t.Context(), example, "first", "https://crm.example.com"))
	h, err := a.handler(manage.Options{
		Session: func(*http.Request) (manage.Access, error) { return manage.Access{Account: example, Manage: true}, nil },
	})
	require.NoError(t, err)
	status := func() int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
		return w.Code
	}
	assert.Equal(t, 200, status())
	m := &mover{from: a.databases[0], to: a.databases[1], account: example, progress: func(step string) {
		if step == "frozen" {
			assert.Equal(t, 503, status(), "nothing may be changed now")
		}
	}}
	require.NoError(t, m.move(t.Context()))
	assert.Equal(t, 200, status())
	_, err = a.databases[1].setState(t.Context(), example, frozen, here) // as if it were moved on
	require.NoError(t, err)
	_, err = a.databases[0].setState(t.Context(), example, here, gone)
	require.NoError(t, err)
	assert.Equal(t, 200, status(), "the first call finds where it is")
	require.NoError(t, a.databases[0].sql.Close())
	assert.Equal(t, 500, status(), "a fault of a database is no move")
}

func TestTheProgram(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out))
	assert.Equal(t, "the account is in the database second; of 100 events 100 were delivered, 0 of them again\n", out.String())
}
