package sqlstore

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

// A sequencing is one sequencing step.
type sequencing struct {
	s   *Store
	q   Querier
	now int64

	repairs bool     // the step also looks for entries whose delivery left without an event
	strays  []string // these deliveries

	claim  *claimRun          // the step leases due deliveries for it; nil: it makes them ready
	leased []webhook.Delivery // for claim
	token  int64              // of their lease

	least   int64 // the number of the step at least; 0: as now says
	locking bool  // the step waits for the lock
	from    int64 // the number of the event at which the scan begins
	full    bool  // the scan begins before the first event
	step    int64
	events  []lineEvent
	removed []placed // entries of deliveries that left
	ready   []row    // deliveries that were entered into the ready queue, on PostgreSQL
	entered bool     // a delivery may have been entered into a queue
	took    time.Duration
}

// A placed is a delivery in a line.
type placed struct {
	Webhook string `json:"w"`
	Key     string `json:"k"`
	Place   int64  `json:"p"`
	ID      string `json:"i"`
	Joined  int64  `json:"y"`
}

func (st *sequencing) run(ctx context.Context) (err error) {
	defer func() { // before the commit, which releases the lock
		if _, e := st.s.run(ctx, st.q, st.s.sql.unlockLines, nil, 0, nil); err == nil {
			err = e
		}
	}()
	if err := st.lock(ctx); err != nil {
		return err
	}
	if st.claim != nil {
		if err := st.claim.deleteEmpty(ctx, st.q); err != nil {
			return err
		}
	}
	if err := st.takeEvents(ctx); err != nil {
		return err
	}
	if st.repairs {
		if st.strays, err = st.s.strays(ctx, st.q); err != nil {
			return err
		}
	}
	if len(st.events)+len(st.strays) == 0 {
		return nil
	}
	return st.sequence(ctx)
}

// sequence writes the lines.
func (st *sequencing) sequence(ctx context.Context) error {
	left := st.left()
	if !st.s.d.takesLines {
		if err := st.remove(ctx, left); err != nil {
			return err
		}
	}
	if err := st.takeLate(ctx, left); err != nil {
		return err
	}
	if err := st.keepUp(ctx); err != nil {
		return err
	}
	joined, numbers := st.replay()
	var strays []string
	for _, id := range st.strays {
		if _, ok := numbers[id]; !ok {
			strays, numbers[id] = append(strays, id), 0
		}
	}
	if err := st.remove(ctx, strays); err != nil {
		return err
	}
	if st.s.sql.joinLines.text != "" {
		if err := st.exec(ctx, st.s.sql.joinLines, joined); err != nil {
			return err
		}
	}
	if err := st.number(ctx, numbers); err != nil {
		return err
	}
	return st.enterFirst(ctx, joined)
}

// lock takes the lock that excludes other sequencing steps, and gives the step its
// number.
func (st *sequencing) lock(ctx context.Context) error {
	st.locking = true
	var err error
	st.step, err = st.s.lockLines(ctx, st.q, max(leastStep(st.now), st.least), longLock, st.claim != nil && st.claim.leasing)
	st.locking = err != nil
	return err
}

// lockLines runs the dialect's lockLines. It waits no longer than patience. Where the
// transaction need not be durable, its commit may not wait for the disk.
func (s *Store) lockLines(ctx context.Context, q Querier, least int64, patience time.Duration, durable bool) (step int64, err error) {
	_, err = s.run(ctx, q, s.sql.lockLines, s.lockArgs(least, patience, durable), 0, func(scan Scan) error { return scan(&step) })
	return step, err
}

// lockArgs returns the arguments of the dialect's lockLines.
func (s *Store) lockArgs(least int64, patience time.Duration, durable bool) args {
	return args{
		"name": "listhook lines " + s.prefix, "least": least, "durable": durable,
		"timeout": strconv.FormatInt(patience.Milliseconds(), 10),
	}
}

// longLock is how long a step waits for its turn, and for the lock.
const longLock = time.Second

// leastStep returns the least number of a step in which a delivery joins at a time, or
// 0 if that is not known.
func leastStep(joined int64) int64 {
	if joined == math.MaxInt64 {
		return 0
	}
	return max(joined, 0)/stepMillis + 1
}

// keepUp raises the number of the step if a delivery joined later than the time that the
// step began with, or if the step needs the places of the next steps too.
func (st *sequencing) keepUp(ctx context.Context) error {
	before := st.step
	last := st.lastStep()
	if last == before {
		return nil
	}
	_, err := st.s.run(ctx, st.q, st.s.sql.raiseStep, args{"step": last}, 0, func(Scan) error { return nil })
	return err
}

// lastStep raises the number of the step to that of the last delivery that joins. It returns
// the number of the last step whose places it uses. That is a later step if more than
// maxLineEvents deliveries join, which happens with the earlier joins of their lines.
func (st *sequencing) lastStep() (last int64) {
	joins := int64(0)
	for i := range st.events {
		if e := &st.events[i]; e.Kind == joinedLine {
			st.step = max(st.step, leastStep(e.Joined))
			joins++
		}
	}
	return st.step + max(joins-1, 0)>>stepBits
}

// takeEvents reads and deletes events, in order of their numbers.
func (st *sequencing) takeEvents(ctx context.Context) error {
	if st.s.d.oneWriter {
		return nil
	}
	st.from, st.full = st.s.eventsFrom()
	start := time.Now()
	err := st.take(ctx, st.s.sql.takeLineEvents, args{"from": st.from, "n": maxLineEvents})
	st.took = time.Since(start)
	return err
}

// take reads events by a statement, deletes them, and adds them to the others.
func (st *sequencing) take(ctx context.Context, statement statement, a args) error {
	before := len(st.events)
	err := st.s.query(ctx, st.q, statement, a, func(scan Scan) error {
		var e lineEvent
		err := scan(&e.number, &e.Kind, &e.Webhook, &e.Key, &e.ID, &e.Joined)
		if e.Kind == 0 {
			st.removed = append(st.removed, placed{Webhook: e.Webhook, Key: e.Key, Place: e.number, ID: e.ID})
		} else {
			st.events = append(st.events, e)
		}
		return err
	})
	if err != nil || len(st.events) == before {
		return err
	}
	if st.s.sql.deleteLineEvents.text != "" {
		var numbers []int64
		for _, e := range st.events[before:] {
			numbers = append(numbers, e.number)
		}
		err = st.exec(ctx, st.s.sql.deleteLineEvents, numbers)
	}
	slices.SortFunc(st.events, func(a, b lineEvent) int { return cmp.Compare(a.number, b.number) })
	return err
}

// left returns the deliveries that left their lines, each once.
func (st *sequencing) left() (ids []string) {
	gone := map[string]bool{}
	for i := range st.events {
		if e := &st.events[i]; (e.Kind == leftLine || e.Kind == leftUnnumbered) && !gone[e.ID] {
			gone[e.ID], ids = true, append(ids, e.ID)
		}
	}
	return ids
}

// takeLate takes the joins of deliveries that left, if they are neither in the lines nor
// among the events: their transaction was open for so long that the scan began behind
// them. A later scan would have these deliveries join, and they would never leave.
func (st *sequencing) takeLate(ctx context.Context, left []string) error {
	if st.full || st.s.d.oneWriter || len(left) == 0 {
		return nil
	}
	joined := map[string]bool{}
	for i := range st.events {
		if e := &st.events[i]; e.Kind == joinedLine {
			joined[e.ID] = true
		}
	}
	for i := range st.removed {
		joined[st.removed[i].ID] = true
	}
	late := slices.DeleteFunc(left, func(id string) bool { return joined[id] })
	if len(late) == 0 {
		return nil
	}
	data, err := jsonArray(late)
	if err != nil {
		return err
	}
	return st.take(ctx, st.s.sql.takeLateJoins, args{"rows": data, "from": st.from})
}

// replay returns, from the events, which deliveries join their lines to stay, and the
// Sequence of those that have none and left in between.
func (st *sequencing) replay() (joined []placed, numbers map[string]int64) {
	standing := map[string]int{}
	numbers = map[string]int64{}
	for i := range st.events {
		e := &st.events[i]
		at, stands := standing[e.ID]
		switch e.Kind {
		case joinedLine:
			standing[e.ID] = len(joined)
			joined = append(joined, placed{e.Webhook, e.Key, st.step<<stepBits + int64(len(joined)), e.ID, e.Joined})
		case leftLine, leftUnnumbered:
			if _, numbered := numbers[e.ID]; e.Kind == leftUnnumbered && !numbered {
				numbers[e.ID] = 0 // that of the entry in the lines, if it is there
				if stands {
					numbers[e.ID] = joined[at].Place
				}
			}
			delete(standing, e.ID)
		}
	}
	stay := joined[:0]
	for i, p := range joined {
		if at, ok := standing[p.ID]; ok && at == i {
			stay = append(stay, p)
		}
	}
	return stay, numbers
}

// remove removes the entries of deliveries that left their lines.
func (st *sequencing) remove(ctx context.Context, left []string) error {
	if len(left) == 0 {
		return nil
	}
	data, err := jsonArray(left)
	if err != nil {
		return err
	}
	_, err = st.s.run(ctx, st.q, st.s.sql.leaveLines, args{"rows": data}, 0, func(scan Scan) error {
		var p placed
		err := scan(&p.Webhook, &p.Key, &p.Place, &p.ID)
		st.removed = append(st.removed, p)
		return err
	})
	return err
}

// number stores the Sequence of deliveries that left their lines without one: nobody
// had claimed them.
func (st *sequencing) number(ctx context.Context, numbers map[string]int64) error {
	var rows []placed
	for _, p := range st.removed {
		if number, ok := numbers[p.ID]; ok && number == 0 {
			numbers[p.ID] = p.Place
		}
	}
	for id, number := range numbers {
		if number > 0 {
			rows = append(rows, placed{ID: id, Place: number})
		}
	}
	slices.SortFunc(rows, func(a, b placed) int { return strings.Compare(a.ID, b.ID) })
	return st.exec(ctx, st.s.sql.numberDeliveries, rows)
}

// exec runs a statement on rows, unless there are none.
func (st *sequencing) exec(ctx context.Context, statement statement, rows any) error {
	return st.s.execRows(ctx, st.q, statement, rows)
}

// execRows runs a statement on rows, unless there are none.
func (s *Store) execRows(ctx context.Context, q Querier, statement statement, rows any) error {
	data, err := json.Marshal(rows)
	if text := string(data); err != nil || text == "null" || text == "[]" {
		return err
	}
	_, err = s.exec(ctx, q, statement, args{"rows": string(data)})
	return err
}

// advance moves the cursors after a step that was committed.
func (st *sequencing) advance() {
	if st.s == nil {
		return
	}
	if n := len(st.events); n > 0 {
		st.s.events.advance(st.events[n-1].number, st.full, st.took)
	} else {
		st.s.events.rest(st.full, st.took)
	}
	st.s.ready.includeRows(st.ready)
	if st.claim == nil {
		return
	}
	st.claim.empty, st.claim.leasing = nil, st.claim.leasing && !st.entered
	if len(st.leased) > 0 {
		until := milli(st.claim.c.Until)
		st.s.due.include(until)
		st.claim.keep(st.leased, []*lease{claimLease(st.leased, until, st.token)})
	}
}
