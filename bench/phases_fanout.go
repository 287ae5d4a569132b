package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/listhook/webhook"
)

// fanOut is how many webhooks get a wide event in the phases fanout1, fanout64 and
// fanoutjson. A narrow event is for one webhook.
const fanOut = 100

// fanTurns is how often narrow and wide events take turns.
const fanTurns = 10

// A writer is a subject that knows how many bytes its database has written.
type writer interface {
	written(ctx context.Context) (int64, error)
}

// fanAccount is the account of the wide event's webhooks, and of one of the narrow ones.
const fanAccount = "wide"

func narrowAccount(n int) string { return fmt.Sprintf("narrow-%d", n) }

// addFanWebhooks adds the webhooks for wide and narrow events, in a format.
func (o *ours) addFanWebhooks(ctx context.Context, format webhook.Format) error {
	for n := range fanOut {
		for _, account := range []string{fanAccount, narrowAccount(n)} {
			_, err := o.dispatcher.AddWebhook(ctx, webhook.Webhook{Account: account, Settings: webhook.Settings{
				Name: "fan-out", URL: o.url(o.target(0)), Format: format,
				Events: []webhook.EventType{webhook.TypeOpen}, Sources: []webhook.Source{webhook.SourcePublic},
				Secrets: []webhook.Secret{webhook.NewSecret()},
			}})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// format is that of the webhooks.
func (j *job) format() webhook.Format {
	if j.Phase == "fanoutjson" || isBatch(j.Phase) {
		return webhook.FormatJSON
	}
	return webhook.Format2013
}

// fanCost is what storing deliveries has cost.
type fanCost struct {
	deliveries  int
	own, server time.Duration
	bytes       int64
}

// runFanOut measures what storing a delivery costs the process and the database: of
// events for one webhook each, and of events for 100 webhooks. Nothing is delivered.
func runFanOut(ctx context.Context, b *bench) ([]row, error) {
	o := b.subject.(library).library()
	if err := o.addFanWebhooks(ctx, b.format()); err != nil {
		return nil, err
	}
	costs := map[bool][]fanCost{}
	for turn := -1; turn < fanTurns; turn++ { // the first one warms up
		for _, wide := range []bool{turn%2 == 0, turn%2 != 0} {
			c, err := b.fan(ctx, wide, max(b.Events/fanTurns/2, fanOut))
			if err != nil {
				return nil, err
			}
			if turn >= 0 {
				costs[wide] = append(costs[wide], c)
			}
		}
	}
	return []row{{Phase: b.Phase, Measures: fanMeasures(costs[false], costs[true])}}, nil
}

// fanMeasures are the costs of a delivery of narrow and of wide events, and their ratios.
func fanMeasures(narrow, wide []fanCost) measures {
	m := measures{}
	for name, each := range map[string]func(fanCost) float64{
		"cpu_us":        func(c fanCost) float64 { return 1000 * ms(c.own+c.server) },
		"cpu_us_server": func(c fanCost) float64 { return 1000 * ms(c.server) },
		"bytes":         func(c fanCost) float64 { return float64(c.bytes) },
	} {
		median := func(costs []fanCost) float64 {
			var values []float64
			for _, c := range costs {
				values = append(values, each(c)/float64(c.deliveries))
			}
			_, q2, _ := quartiles(values)
			return q2
		}
		one, many := median(narrow), median(wide)
		m.set(name+"_narrow", one)
		m.set(name+"_wide", many)
		m.set(name+"_ratio", many/one)
	}
	return m
}

// fan emits events until about so many deliveries are stored, and returns what they cost.
func (b *bench) fan(ctx context.Context, wide bool, deliveries int) (cost fanCost, err error) {
	name := "narrow"
	if wide {
		name = "wide"
	}
	written := func() (n int64) {
		if w, ok := b.subject.(writer); ok && err == nil {
			n, err = w.written(ctx)
		}
		return n
	}
	before := written()
	if err != nil {
		return cost, err
	}
	m, err := b.measure(ctx, name)
	if err != nil {
		return cost, err
	}
	if cost.deliveries, err = b.emitFan(ctx, wide, deliveries); err != nil {
		return cost, err
	}
	c, err := m.spent(ctx)
	if err != nil {
		return cost, err
	}
	cost.own, cost.server, cost.bytes = c.own, c.server, written()-before
	return cost, errors.Join(err, m.writeProfiles())
}

// emitFan emits events until about so many deliveries are stored, and returns how many
// there are.
func (b *bench) emitFan(ctx context.Context, wide bool, deliveries int) (stored int, err error) {
	o := b.subject.(library).library()
	events, each := deliveries, 1
	if wide {
		events, each = max(deliveries/fanOut, 1), fanOut
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var taken atomic.Int64
	var callers sync.WaitGroup
	for range b.Callers {
		callers.Go(func() {
			for ctx.Err() == nil {
				i := int(taken.Add(1)) - 1
				if i >= events {
					return
				}
				e := event{number: i, at: time.Now()}.open()
				if e.Account = fanAccount; !wide {
					e.Account = narrowAccount(i % fanOut)
				}
				if err := o.dispatcher.Emit(ctx, e); err != nil {
					cancel(err)
				}
			}
		})
	}
	callers.Wait()
	return events * each, context.Cause(ctx)
}

// fanNotes are the costs of a delivery, and the ratios of wide to narrow ones.
var fanNotes = []string{"cpu_us_narrow", "cpu_us_wide", "cpu_us_ratio", "bytes_narrow", "bytes_wide", "bytes_ratio"}
