package manage

import (
	"context"
	"errors"
	"time"

	"github.com/listhook/webhook"
)

// replay makes the deliveries of a webhook that were created since a time, and
// before until unless it is zero, and are in one of the states, due again.
func (a *account) replay(ctx context.Context, id string, since, until time.Time, states ...webhook.State) (n int, err error) {
	if _, err := a.webhook(ctx, id); err != nil {
		return 0, err
	}
	q := webhook.DeliveryQuery{
		Account: a.Account, Webhook: id, States: states, Since: since, Until: until, Oldest: true, Limit: 500, Brief: true,
	}
	for {
		ds, err := a.d.Deliveries(ctx, q)
		if err != nil {
			return n, err
		}
		for _, d := range ds {
			err := a.d.Redeliver(ctx, a.Account, d.ID)
			if errors.As(err, new(*webhook.InvalidError)) { // erased
				continue
			}
			if err != nil {
				return n, err
			}
			n++
		}
		if len(ds) < q.Limit {
			return n, nil
		}
		last := ds[len(ds)-1]
		q.After = webhook.Cursor{Created: last.Created, ID: last.ID}
	}
}
