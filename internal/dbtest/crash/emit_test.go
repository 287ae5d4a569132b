//go:build unix

package crash

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/listhook/webhook"
)

// emitters is how many goroutines of a child emit side by side.
const emitters = 8

// emitAll begins to emit at the child's rate.
func (c *child) emitAll() {
	if c.Emit == 0 {
		return
	}
	for e := range emitters {
		c.emitters.Go(func() {
			pace := time.NewTicker(time.Second * emitters / time.Duration(c.Emit))
			defer pace.Stop()
			for n := 0; ; n++ {
				select {
				case <-c.quiet:
					return
				case <-pace.C:
					c.emit(fmt.Sprintf("%s-%d-%d", c.Name, e, n), n)
				}
			}
		})
	}
}

// emit emits one event, or a few, in one of the ways that apps do.
func (c *child) emit(id string, n int) {
	switch way := n % 8; {
	case c.Buffer > 0:
		c.say(sayTry, id)
		if err := c.dispatcher.EmitBuffered(context.Background(), event(id)); err != nil {
			c.say(sayFail, err.Error())
			return
		}
		c.say(sayTaken, id)
	case way == 4:
		c.until([]string{id + "a", id + "b", id + "c"}, func(ctx context.Context, events ...webhook.Event) error {
			return c.dispatcher.Emit(ctx, events...)
		})
	case way == 5:
		c.until([]string{id}, c.emitTwice)
	case way == 6 && c.Transactions:
		c.until([]string{id}, c.emitTx)
	case way == 7 && c.Transactions:
		c.say(sayVoid, id)
		_ = c.db.inTx(context.Background(), false, func(tx webhook.Outbox) error {
			return c.dispatcher.EmitTx(context.Background(), tx, event(id))
		})
	default:
		c.until([]string{id}, c.dispatcher.Emit)
	}
}

// until emits events until they are promised to be delivered. After an error
// nobody knows whether they were stored, so their IDs are the same each time.
func (c *child) until(ids []string, emit func(context.Context, ...webhook.Event) error) {
	var events []webhook.Event
	for _, id := range ids {
		c.say(sayTry, id)
		events = append(events, event(id))
	}
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		err := emit(ctx, events...)
		cancel()
		if err == nil {
			break
		}
		c.say(sayFail, err.Error())
		time.Sleep(50 * time.Millisecond)
	}
	for _, id := range ids {
		c.say(sayAck, id)
	}
}

// emitTwice emits the same event from two goroutines at once.
func (c *child) emitTwice(ctx context.Context, events ...webhook.Event) error {
	var errs [2]error
	var both sync.WaitGroup
	for i := range errs {
		both.Go(func() { errs[i] = c.dispatcher.Emit(ctx, events...) })
	}
	both.Wait()
	return errors.Join(errs[:]...)
}

// emitTx emits in a transaction, as an app does that stores something of its
// own together with the event.
func (c *child) emitTx(ctx context.Context, events ...webhook.Event) error {
	err := c.db.inTx(ctx, true, func(tx webhook.Outbox) error {
		return c.dispatcher.EmitTx(ctx, tx, events...)
	})
	c.dispatcher.Wake()
	return err
}

// event returns the event with an ID, which its body carries too, so that the
// receiver knows what it got whatever the library's headers say.
func event(id string) webhook.Event {
	m := webhook.Meta{ID: id, Lists: []string{"12"}, Source: webhook.SourcePublic}
	s := webhook.Subscriber{ID: id, Email: id + "@example.com"}
	campaign := webhook.Campaign{ID: "3", Name: "News"}
	switch id[len(id)-1] % 3 {
	case 0:
		return webhook.Open{Meta: m, Subscriber: s, Campaign: campaign}
	case 1:
		return webhook.Click{Meta: m, Subscriber: s, Campaign: campaign, Link: webhook.Link{ID: "1", URL: "https://example.com/"}}
	default:
		m.Key = lineOf(id)
		return webhook.Unsubscribe{Meta: m, Subscriber: s}
	}
}

// lineOf returns the key of the events that have an order: those of one emitter of every
// child share a few. The IDs of events that the test itself emits have no key.
func lineOf(id string) string {
	_, e, n, ok := parseID(id)
	if !ok {
		return ""
	}
	return fmt.Sprintf("line %d-%d", e, n%5)
}

// parseID reads the ID of a child's event: the child's name, its emitter, and the
// event's number and part.
func parseID(id string) (name string, emitter, n int, ok bool) {
	parts := strings.Split(strings.TrimRight(id, "abc"), "-")
	if len(parts) != 3 {
		return "", 0, 0, false
	}
	emitter, err1 := strconv.Atoi(parts[1])
	n, err2 := strconv.Atoi(parts[2])
	return parts[0], emitter, n, err1 == nil && err2 == nil
}
