package redisstore

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/listhook/webhook"
)

// A Store is a webhook.Store in Redis.
type Store struct {
	client *redis.Client
	prefix string // of all keys: in braces, so that one node of a cluster has them all
}

var _ webhook.Store = (*Store)(nil)

// Open opens the store of a name, which is a part of the names of its keys. It returns
// an error if the server does not answer, or has settings by which it loses
// acknowledged events.
//
// It changes some of the options. MaxRetries becomes -1: a client that repeats a call
// whose answer was lost would find that call's own outcome, such as a lease that has
// moved on. The Dispatcher repeats what may be repeated. ContextTimeoutEnabled becomes
// true, and a ReadTimeout of zero a minute, since an event with 50,000 deliveries takes
// seconds.
func Open(ctx context.Context, o redis.Options, name string) (*Store, error) {
	o.MaxRetries, o.ContextTimeoutEnabled = -1, true
	o.ReadTimeout = cmp.Or(o.ReadTimeout, time.Minute)
	s := &Store{redis.NewClient(&o), "{" + name + "}:"}
	if err := s.check(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// check refuses a server that loses what it has acknowledged, or restores it wrongly.
func (s *Store) check(ctx context.Context) error {
	settings := map[string]string{
		"appendonly": "yes", "appendfsync": "always", "aof-load-truncated": "no", "maxmemory-policy": "noeviction",
	}
	for setting, want := range settings {
		has, err := s.client.ConfigGet(ctx, setting).Result()
		if err != nil {
			return fmt.Errorf("redisstore: the setting %s cannot be read: %w", setting, err)
		}
		if has[setting] != want {
			return fmt.Errorf("redisstore: the server has %s %s: a crash would not leave what was acknowledged; set it to %s", setting, has[setting], want)
		}
	}
	return nil
}

// Close closes the connections.
func (s *Store) Close() error { return s.client.Close() }

// The scripts. Redis runs one at a time, and does not undo what one wrote before it
// failed. These fail before their first write or not at all: when the server is out of
// memory, read-only or cannot write to its disk, it refuses the first write.
var (
	//go:embed delivery.lua
	deliveryLua string
	//go:embed enqueue.lua
	enqueueLua string
	//go:embed apply.lua
	applyLua string
	//go:embed claim.lua
	claimLua string
	//go:embed blocking.lua
	blockingLua string
	//go:embed remove.lua
	removeLua string

	enqueue  = redis.NewScript(deliveryLua + enqueueLua)
	apply    = redis.NewScript(deliveryLua + applyLua)
	claim    = redis.NewScript(deliveryLua + claimLua)
	blocking = redis.NewScript(deliveryLua + blockingLua)
	remove   = redis.NewScript(deliveryLua + removeLua)

	//go:embed webhook.lua
	webhookLua string
	//go:embed put.lua
	putLua string
	//go:embed webhooks.lua
	webhooksLua string
	//go:embed forget.lua
	forgetLua string

	put      = redis.NewScript(webhookLua + putLua)
	webhooks = redis.NewScript(webhookLua + webhooksLua)
	forget   = redis.NewScript(webhookLua + forgetLua)
)

// run runs a script. The first argument is JSON, in which numbers of 64 bits are texts,
// since those of Lua have 53.
func (s *Store) run(ctx context.Context, script *redis.Script, arg any, more ...any) *redis.Cmd {
	text, err := json.Marshal(arg)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		cmd := redis.NewCmd(ctx)
		cmd.SetErr(err)
		return cmd
	}
	return script.Run(ctx, s.client, []string{s.prefix}, slices.Insert(more, 0, any(text))...)
}

func anys(texts []string) (list []any) {
	for _, text := range texts {
		list = append(list, text)
	}
	return list
}

// Enqueue implements webhook.Outbox.
func (s *Store) Enqueue(ctx context.Context, events []webhook.OutboxEvent) (had []string, err error) {
	const first = 2 // of ARGV: the first body
	ds, bodies := []map[string]string{}, []any{}
	for _, e := range events {
		i := 0
		for d := range e.All() {
			fields, err := encode(d)
			if err != nil {
				return nil, err
			}
			fields["body"] = strconv.Itoa(first + len(bodies) + e.Deliveries[i].BodyIndex)
			ds = append(ds, fields)
			i++
		}
		for _, body := range e.Bodies {
			bodies = append(bodies, body)
		}
	}
	return s.run(ctx, enqueue, ds, bodies...).StringSlice()
}

// Claim implements webhook.Store.
func (s *Store) Claim(ctx context.Context, c webhook.Claim) (ds []webhook.Delivery, err error) {
	room := map[string]int{} // in JSON an object, though c.Room may be nil
	maps.Copy(room, c.Room)
	rows, err := s.run(ctx, claim, map[string]any{
		"now": sortable(c.Now), "until": sortable(c.Until), "after": c.After, "limit": c.Limit, "each": c.Each, "room": room,
	}, anys(withoutLog)...).Slice()
	for _, row := range rows {
		d, _, failed := decode(withoutLog, row.([]any))
		err = errors.Join(err, failed)
		ds = append(ds, d)
	}
	return ds, err
}

// Apply implements webhook.Store.
func (s *Store) Apply(ctx context.Context, cs []webhook.Change) (lost []string, err error) {
	changes := []map[string]any{}
	for _, c := range cs {
		change := map[string]any{
			"id": c.ID, "lease": strconv.FormatInt(c.Lease, 10), "state": c.State, "due": sortable(c.Due),
			"attempts": strconv.Itoa(c.Attempts), "joined": sortable(c.Joined), "leave": c.LeaveLine, "drop": c.DropBody, "erase": c.Erase,
		}
		if n := len(c.Rewrite); n > 0 {
			entries, err := logText(c.Rewrite)
			if err != nil {
				return nil, err
			}
			change["rewrite"], change["failure"] = entries, c.Rewrite[n-1].Failure()
		}
		if c.Log != nil {
			entry, err := logText([]webhook.Attempt{*c.Log})
			if err != nil {
				return nil, err
			}
			change["log"], change["failure"] = entry, c.Log.Failure()
		}
		changes = append(changes, change)
	}
	return s.run(ctx, apply, changes).StringSlice()
}

// Prune implements webhook.Store. It reads all that finished before p.Before; a store
// that keeps some states or types longer than others has an order for each.
func (s *Store) Prune(ctx context.Context, p webhook.Prune) (n int, err error) {
	if err := s.forget(ctx, p); err != nil {
		return 0, err
	}
	latest, err := s.latest(ctx)
	if err != nil {
		return 0, err
	}
	for ds, err := range s.pages(ctx, "finished", span{"-", "(" + sortable(p.Before), false, pageSize}, withoutBody, latest) {
		if err != nil {
			return n, err
		}
		leases := map[string]string{}
		for _, d := range ds {
			if p.Selects(&d) && n+len(leases) < p.Limit {
				leases[d.ID] = strconv.FormatInt(d.Lease, 10)
			}
		}
		removed, err := s.run(ctx, remove, leases).Int()
		if n += removed; err != nil || n >= p.Limit {
			return n, err
		}
	}
	return n, nil
}

// forget removes webhooks that were deleted long ago.
func (s *Store) forget(ctx context.Context, p webhook.Prune) error {
	ws, err := s.Webhooks(ctx, webhook.WebhookQuery{All: true, Deleted: true})
	versions := map[string]string{}
	for _, w := range ws {
		if w.Deleted && w.Changed.Before(p.Deleted) {
			versions[w.ID] = strconv.FormatInt(w.Version, 10)
		}
	}
	if err != nil || len(versions) == 0 {
		return err
	}
	return s.run(ctx, forget, versions).Err()
}

// PutWebhook implements webhook.Store.
func (s *Store) PutWebhook(ctx context.Context, w webhook.Webhook) (version int64, err error) {
	which := map[string]string{"id": w.ID, "version": strconv.FormatInt(w.Version, 10)}
	w.Version++
	doc, err := json.Marshal(w)
	if err != nil {
		return 0, err
	}
	fields := []any{"version", w.Version, "account", w.Account, "held", sortable(w.HeldUntil), "doc", doc}
	if w.Tallies != nil {
		fields = append(fields, "tallies", w.Tallies)
	}
	made, err := s.run(ctx, put, which, fields...).Bool()
	if err == nil && !made {
		err = webhook.ErrConflict
	}
	return w.Version, err
}

// Webhooks implements webhook.Outbox. Queries of every account read all webhooks that
// were put after a number, which is well for some thousands.
func (s *Store) Webhooks(ctx context.Context, q webhook.WebhookQuery) (found []webhook.Webhook, err error) {
	which := map[string]any{"after": strconv.FormatInt(q.PutAfter, 10)}
	if len(q.IDs) > 0 {
		which["ids"] = distinct(q.IDs)
	} else if !q.All {
		which["account"] = q.Account
	}
	fields := []any{"doc", "put"}
	if q.Tallies {
		fields = append(fields, "tallies")
	}
	rows, err := s.run(ctx, webhooks, which, fields...).Slice()
	for _, row := range rows {
		w, failed := decodeWebhook(row.([]any))
		if err = errors.Join(err, failed); w.ID != "" && q.Selects(&w) {
			found = append(found, w)
		}
	}
	slices.SortFunc(found, func(a, b webhook.Webhook) int { return q.Compare(&a, &b) })
	if q.Limit > 0 {
		found = found[:min(q.Limit, len(found))]
	}
	return found, err
}

func decodeWebhook(row []any) (w webhook.Webhook, err error) {
	doc, _ := row[0].(string)
	if doc == "" {
		return w, nil // not stored
	}
	if err := json.Unmarshal([]byte(doc), &w); err != nil {
		return w, err
	}
	number, _ := row[1].(string)
	if w.Put, err = strconv.ParseInt(number, 10, 64); len(row) > 2 {
		tallies, _ := row[2].(string)
		w.Tallies = []byte(tallies)
	}
	return w, err
}
