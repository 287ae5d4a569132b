// Package webhook gives a mailing app the webhooks that its customers expect:
// nine things that happen to subscribers and campaigns are POSTed to any number of URLs,
// as the nested forms that ActiveCampaign announced in January 2013, as its current
// forms, or in JSON (see Format). An app may add types of its own (see Custom).
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
// Stores are in the packages memstore, sqlitestore, postgresstore and mysqlstore
// (MariaDB; it refuses MySQL), and for pgx in pgxstore, a module of its own. Anybody can
// write another, which package storetest checks.
//
// # What is promised
//
// When Emit returns nil, every webhook that wants the event has a delivery of
// it in the store. Each delivery is attempted until its receiver answers with a
// success (200 to 299), its schedule is used up, or it is canceled: its webhook is
// deleted or disabled, a newer event about the subscriber replaces one that has failed
// for an hour (see Order), or the app asks for it. A delivery may arrive more than once,
// after a crash or when an answer was lost: the header Webhook-Id is the same each time.
//
// Deliveries about one subscriber's state are attempted one after another, in the
// order in which they were emitted: see Order. All others run in parallel and may
// arrive in another order.
//
// Emitting an event twice with the same Meta.ID and the same Lists is harmless as long
// as its deliveries are in the log: each webhook gets the event once, and a Subscribe or
// an Unsubscribe once for each list. Another process may take up to
// Options.PollInterval, a second by default, to see an added or changed webhook; a
// process that only emits may take twice as long.
//
// # The life of a delivery
//
// A delivery is StatePending until it is StateDelivered, StateFailed or
// StateCanceled. While it is pending, Due is the time of its next attempt. The
// process that leases it moves Due to the end of its lease, so that another
// process takes over if that one dies. Redeliver makes a delivery pending again,
// and Replay those of a period. Finished deliveries are removed after
// Options.Retention.
//
// # What an answer means
//
// A success is a delivery. Anything else is a failure and is retried by
// Options.Backoff: redirects, which are never followed; refusals (4xx) like
// faults (5xx); timeouts, refused connections and bad certificates. 410 Gone
// disables the webhook. 429 and 503 with Retry-After hold the webhook, all
// of its deliveries, for that time, at most a day.
//
// # Webhooks that fail
//
// Webhook.Health records how a webhook's attempts end, and all processes share
// it. Ten failures in a row, of any deliveries, hold the webhook: its deliveries
// wait without using up their schedules, while one at a time is attempted as a
// probe, after a minute, then two, and so on up to an hour. When a probe
// succeeds, the others follow at once. ProbeNow makes the next probe now.
//
// A webhook whose attempts have all failed for Options.DisableAfter, five
// days by default, is disabled, if there were at least twenty, in twelve
// different hours. Hooks.Failing is called after an hour, Hooks.Warned after 50 and 90
// percent of that time, Hooks.Disabled when the webhook is disabled, and Hooks.Recovered
// when it works again before that. The time starts again
// when the owner edits where or how requests are sent, or enables the webhook.
//
// # Disabled webhooks
//
// When a webhook is disabled, its waiting deliveries are canceled, and it misses
// the events that follow. Replay can send the canceled deliveries again. A
// webhook with KeepEvents set keeps both, up to Options.KeepLimit deliveries and for
// Options.Retention; Webhook.Discarded counts those that it could not keep.
//
// When such a webhook is enabled, all of its waiting deliveries are due,
// retries and urgent ones too. Attempts start with the oldest delivery and
// continue by the time of creation, to the millisecond, at the rate that the
// receiver's answers allow. Several attempts run in parallel, so some deliveries
// may arrive in another order. CancelPending, called before, cancels the kept
// deliveries.
package webhook
