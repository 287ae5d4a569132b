// Package webhook gives a mailing app the webhooks that its customers expect:
// nine things that happen to subscribers and campaigns are POSTed, as the
// nested forms that ActiveCampaign announced in January 2013, to any number of
// URLs.
//
// An app creates a Dispatcher on a Store, calls Emit where things happen, and
// starts it in at least one process:
//
//	d, err := webhook.New(store, nil, nil)
//	if err != nil {
//		return err
//	}
//	if err := d.Start(); err != nil {
//		return err
//	}
//	defer func() {
//		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
//		defer cancel()
//		d.Shutdown(ctx)
//	}()
//
//	err = d.Emit(ctx, webhook.Subscribe{
//		Meta:       webhook.Meta{Lists: []string{"12"}, Source: webhook.SourceAdmin},
//		Subscriber: webhook.Subscriber{ID: "12", Email: "test@test.com"},
//	})
//
// Stores are in the packages memstore, sqlitestore, postgresstore and
// mysqlstore, and for pgx in pgxstore, a module of its own; anybody can write
// another, which package storetest checks.
//
// # What is promised
//
// When Emit returns nil, every webhook that wants the event has a delivery of
// it in the store, and each is attempted until its receiver answers with a
// success (200 to 299), its schedule is used up, or its webhook is deleted or
// switched off. A delivery may arrive more than once, after a crash or when an
// answer was lost: the header Webhook-Id is the same each time. Deliveries are
// made side by side and may arrive in another order than they were emitted in.
//
// Emitting an event twice with the same Meta.ID delivers it once to each
// webhook. Another process may not see an added or changed webhook for
// Options.PollInterval, a second by default.
//
// # The life of a delivery
//
// A delivery is StatePending until it is StateDelivered, StateFailed or
// StateCanceled. While it is pending, Due is the time of its next attempt; the
// process that leases it moves Due to the end of its lease, so that another
// takes over by itself should it die. Redeliver makes any delivery pending again,
// and Replay those of a time. What finished is removed after Options.Retention.
//
// # What an answer means
//
// A success is a delivery. Anything else is a failure and is tried again, on
// Options.Backoff: redirects, which are never followed; refusals (4xx) like
// faults (5xx); timeouts, refused connections and bad certificates. 410 Gone
// switches the webhook off. 429 and 503 with Retry-After hold the webhook, all
// of its deliveries, for so long, at most a day.
//
// # Webhooks that fail
//
// What attempts show is noted in Webhook.Health, which processes share. Ten
// failures in a row, of whichever deliveries, hold the webhook: its deliveries
// wait, without using up their schedules, while one at a time is attempted,
// after a minute, then two, and so on up to an hour. When one of these probes
// succeeds, the others follow at once. EndHold makes the next probe now.
//
// A webhook whose attempts have all failed for Options.SwitchOffAfter, five
// days by default, is switched off, if there were at least twenty, in twelve
// different hours. Hooks.Warned is called at 50 and 90 percent of the way, and
// Hooks.SwitchedOff when it happens. It begins anew when the owner edits where
// or how requests are sent, or switches the webhook on.
//
// # Webhooks that are off
//
// What waits for a webhook is canceled when it goes off, and what happens
// meanwhile is not delivered to it; Replay can send again what was canceled.
// One that has Webhook.Keep set keeps both, up to Options.KeepLimit deliveries
// and for Options.Retention, and counts in Webhook.NotKept what it could not
// keep. When it is switched on, attempts begin with the oldest and go on by the
// time of creation, to the millisecond, at the pace that the receiver earns;
// what waited for a retry has its turn when that is due, and what was urgent and
// waited already when the webhook went off goes first. Several attempts go side
// by side, so that some deliveries may arrive in another order. DropPending
// before that drops them.
package webhook
