package limiter

import "time"

// ExpectBacklog records that the store is about to hold due deliveries of a
// webhook. Until a claim finds none, TryAcquire lets no newer delivery of the
// webhook overtake them.
func (l *Limiter[T]) ExpectBacklog(webhook string) {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	l.queue(webhook).setBacklog()
}

// NoteBacklog records that the store has due deliveries of a webhook, and
// reports whether to claim now. A claim that began after ExpectBacklog may have
// missed them.
func (l *Limiter[T]) NoteBacklog(webhook string) bool {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	q := l.queue(webhook)
	q.setBacklog()
	return q.needsClaim()
}

// NoteOrdered records that the store has a due delivery of a webhook that no newer one
// can overtake, because it stands in a line, and reports whether to claim now. So
// TryAcquire may go on. If there is no room for a claim, the queue has a backlog instead,
// and the claim follows once there is room.
func (l *Limiter[T]) NoteOrdered(webhook string) bool {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	if q := l.queues[webhook]; l.claimable() > 0 && (q == nil || q.room() > 0) {
		return true
	}
	l.queue(webhook).setBacklog()
	return false
}

// A Reservation is the room for the deliveries that a claim may bring. The zero
// value has none, and needs neither Fill nor Cancel.
type Reservation struct {
	Limit int            // in all
	Room  map[string]int // by webhook
	Each  int            // for a webhook that Room does not name: see EachAt

	ahead time.Duration // how long a delivery is held before its webhook's rate lets it begin
	claim *claim        // how it counts in the pool
}

// EachAt is Each for a webhook with a rate.
func (r Reservation) EachAt(rate float64) int { return roomAt(r.Each, rate, r.ahead) }

// Reserve holds slots for a claim, at most limit. Fill or Cancel must follow,
// before the next Reserve.
func (l *Limiter[T]) Reserve(limit int) Reservation {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	r := Reservation{Limit: min(limit, l.claimable()), Each: capacity(l.newLimit()), Room: map[string]int{}, ahead: l.ahead}
	if l.closed || r.Limit <= 0 {
		return Reservation{}
	}
	l.reserved += r.Limit
	r.claim = l.pool.reserve(r.Limit)
	for webhook, q := range l.queues {
		if !l.isLikeNew(q) {
			r.Room[webhook] = q.room()
		}
		l.awaitRate(q)
		q.newBacklog = false
	}
	return r
}

// claimable is how many deliveries a claim may bring. Claims of several limiters may
// be under way at once, so that each takes a quarter of what the pool has free, or
// else of its limiter's share. The caller holds mu.
func (l *Limiter[T]) claimable() int {
	free := l.free(0)
	if l.pool.limiters > 1 {
		free = min(free, max(l.pool.free()/4, l.freeOfShare(0)))
	}
	return free
}

// Fill ends a reservation and returns a slot for each claimed delivery, given
// by its webhook. A queue that got less than it had room for has no backlog.
func (l *Limiter[T]) Fill(r Reservation, webhooks []string) []*Slot[T] {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	l.reserved -= r.Limit
	l.pool.endClaim(r.claim)
	slots := make([]*Slot[T], len(webhooks))
	for i, webhook := range webhooks {
		slots[i] = l.newSlot(webhook, l.queue(webhook))
	}
	l.signalDrained()
	l.claimedFull = len(webhooks) >= r.Limit
	l.pool.signalRelief()
	if !l.claimedFull {
		l.noteClaimed(r.Room, r.Each, webhooks)
	}
	return slots
}

// FillBatches ends a reservation whose claim was for the webhooks of room alone, whose
// deliveries go in batches: each batch takes a slot with TakeSlot. Room is in
// deliveries. full says that the claim may have left some for lack of room in all.
func (l *Limiter[T]) FillBatches(r Reservation, room map[string]int, webhooks []string, full bool) {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	l.reserved -= r.Limit
	l.pool.endClaim(r.claim)
	l.signalDrained()
	l.pool.signalRelief()
	if !full {
		l.noteClaimed(room, 0, webhooks)
	}
}

// noteClaimed records which queues have a backlog after a claim that had room for more.
// The caller holds mu.
func (l *Limiter[T]) noteClaimed(rooms map[string]int, each int, webhooks []string) {
	count := map[string]int{}
	for _, webhook := range webhooks {
		count[webhook]++
	}
	for webhook, room := range rooms {
		if q := l.queues[webhook]; q != nil && count[webhook] < room && !q.newBacklog {
			q.backlog = false
			l.forgetIdle(webhook, q)
		}
	}
	for webhook, n := range count {
		room, named := rooms[webhook]
		if !named {
			room = each
		}
		if n >= room {
			l.queue(webhook).backlog = true
		}
	}
}

// Cancel ends a reservation whose claim failed.
func (l *Limiter[T]) Cancel(r Reservation) {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	l.reserved -= r.Limit
	l.pool.endClaim(r.claim)
	l.signalDrained()
	l.pool.signalRelief()
}
