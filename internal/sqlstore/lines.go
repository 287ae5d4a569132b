package sqlstore

import (
	"context"
	"slices"
)

// Pending deliveries of one webhook with the same key stand in a line, of which only
// the first may be claimed. The lines are a table: webhook, key, place, and ID. Only
// one step writes it, the sequencing step of a claim, of which one runs at a time. The
// other calls decide nothing about order, and wait for nobody. In their own
// transaction they append to a table of events that a delivery has joined its line, or
// has left it. The sequencing step
//
//  1. takes a lock, and then, in a later statement, which sees what was committed
//     before, the events;
//  2. removes from the lines what left them, and appends what joined;
//  3. enters the new first delivery of each of these lines into the ready or the
//     waiting queue, or leases it for the claim (leasefirst.go).
//
// So places only grow, and one transaction whose commit comes late joins late. What is
// not first is parked: it is in no queue, so that no claim meets it. A delivery that was
// passed over keeps its line_key, for queries, and has passed_over set. The first
// delivery stays first until it leaves, and is leased, retried and made ready as a
// delivery without a key is. Its place, when it first joined, is its Sequence.
//
// Events have numbers that grow with each call, so those of one delivery, and those of
// calls one after another, are in order of the number.
//
// SQLite has one writer at a time, and no table of events: each transaction that would
// store some makes the step itself.

// A lineEvent is a row of the table of events.
type lineEvent struct {
	ID      string        `json:"i"`
	Kind    lineEventKind `json:"e"`
	Webhook string        `json:"w"`
	Key     string        `json:"k"`
	Joined  int64         `json:"y"`

	number int64
}

type lineEventKind int

const (
	joinedLine     lineEventKind = 1
	leftLine       lineEventKind = 2 // it ended, was passed over, or lost its key
	leftUnnumbered lineEventKind = 3 // leftLine, of a delivery without a Sequence
	movedInLine    lineEventKind = 4 // its due changed, and it is not leased: only on PostgreSQL
)

const (
	// stepBits is how many low bits of a place count the deliveries that join in one
	// step. The others are the number of the step.
	stepBits = 12

	// stepMillis is how many milliseconds one step's number stands for: numbers grow
	// with time at least, so those of a new or restored database are above the ones
	// that receivers remember.
	stepMillis = 4

	// maxLineEvents is how many events one step takes at most.
	maxLineEvents = 1 << stepBits

	// maxSteps is how many steps one claim makes at most, if one of them entered a
	// delivery into a queue or leased one.
	maxSteps = 4

	// lineEventSlack is how many numbers before the last event a scan from the cursor
	// begins: transactions commit in another order than that of their numbers. An event of
	// a transaction that was open for longer is taken with the next one that joins its
	// line, and by the next full scan.
	lineEventSlack = 10_000
)

// lineEvents stores events, unless the dialect's statements do so. Where a transaction
// excludes other writers, the step is part of it.
func (s *Store) lineEvents(ctx context.Context, q Querier, events []lineEvent) error {
	if s.d.oneWriter {
		for list := range slices.Chunk(events, maxLineEvents) {
			st := sequencing{s: s, q: q, now: s.clock.now(), events: list}
			if err := st.lock(ctx); err != nil {
				return err
			}
			if err := st.sequence(ctx); err != nil {
				return err
			}
			if st.entered {
				s.due.include(st.now) // what waits now is due later
			}
		}
		return nil
	}
	if s.sql.insertLineEvents.text == "" {
		return nil
	}
	return s.execRows(ctx, q, s.sql.insertLineEvents, events)
}

// sequence runs sequencing steps, each in a transaction. It skips them while another call
// or process holds the lock for long. They lease for the claim, if there is one. It reports
// whether one of them may have entered a delivery into a queue.
func (s *Store) sequence(ctx context.Context, now int64, claim *claimRun) (entered bool, err error) {
	if s.d.oneWriter {
		return false, nil // there are no events
	}
	return s.stepsInTx(ctx, sequencing{now: now, claim: claim})
}

// stepsInTx runs steps as first says, each in a transaction.
func (s *Store) stepsInTx(ctx context.Context, first sequencing) (entered bool, err error) {
	err = s.retryChecked(ctx, func() error {
		some, err := s.steps(first, func(st *sequencing) error {
			if !s.turn.wait(ctx, longLock) {
				*st = sequencing{} // a call of this process is at it, or gets no answer
				return ctx.Err()
			}
			defer s.turn.end()
			err := s.db.InTx(ctx, true, func(q Querier) error {
				st.q = q
				return st.run(ctx)
			})
			if err != nil && st.locking && s.d.isLocked(err) && ctx.Err() == nil {
				*st, err = sequencing{}, nil // another process is at it, or frozen
			}
			return err
		})
		entered = entered || some
		return err
	})
	return entered, err
}

// steps calls step until no event is left, or enough of them for one claim.
func (s *Store) steps(first sequencing, step func(*sequencing) error) (entered bool, err error) {
	for n, found := 1, false; ; n++ {
		st := first
		st.s = s
		if err := step(&st); err != nil {
			s.events.reset()
			return entered, err
		}
		st.advance()
		// Whoever took the events that were seen before may have entered a delivery.
		entered = entered || st.entered || n == 1 && len(st.events) == 0
		found = found || st.entered || len(st.leased) > 0
		if len(st.events) < maxLineEvents || n >= maxSteps && found {
			return entered, nil
		}
	}
}

// eventsFrom returns the number of the event at which the next scan begins, and
// whether it is a full scan.
func (s *Store) eventsFrom() (from int64, full bool) {
	if from, full = s.events.start(); !full {
		from -= lineEventSlack
	}
	return from, full
}

// maxStrays is how many entries one step repairs at most.
const maxStrays = 1000

// strays returns the deliveries that stand in the lines, but do not wait for their
// turn. Either their event is not taken yet, or there is none: a process with an older
// version of this library stored that they ended.
func (s *Store) strays(ctx context.Context, q Querier) (ids []string, err error) {
	st := s.d.prepare(s.prefix, `
select l.id from {}lines l left join {}deliveries d on d.id = l.id
where d.id is null or d.state <> 'pending' or d.line_key is null or d.passed_over is not null limit @n`)
	err = s.query(ctx, q, st, args{"n": maxStrays}, func(scan Scan) error {
		var id string
		err := scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// repairLines removes strays from the lines.
func (s *Store) repairLines(ctx context.Context) error {
	var found []string
	err := s.read(ctx, func(q Querier) (err error) {
		found, err = s.strays(ctx, q)
		return err
	})
	if err != nil || len(found) == 0 {
		return err
	}
	_, err = s.stepsInTx(ctx, sequencing{now: s.clock.now(), repairs: true})
	return err
}
