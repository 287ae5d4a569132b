package limiter

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

// NoteOrdered records that the store has a due delivery of a webhook that no newer
// one can overtake, and reports whether to claim now. It lets TryAcquire go on,
// unless there is no room for a claim: then one follows once there is.
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
	Each  int            // for a webhook that Room does not name

	claim *claim // how it counts in the pool
}

// Reserve holds slots for a claim, at most limit. Fill or Cancel must follow,
// before the next Reserve.
func (l *Limiter[T]) Reserve(limit int) Reservation {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	r := Reservation{Limit: min(limit, l.claimable()), Each: capacity(l.newLimit()), Room: map[string]int{}}
	if l.closed || r.Limit <= 0 {
		return Reservation{}
	}
	l.reserved += r.Limit
	r.claim = l.pool.reserve(r.Limit)
	for webhook, q := range l.queues {
		if q.held() > 0 || q.backlog || q.limit < l.startLimit() {
			r.Room[webhook] = q.room()
		}
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
	count := map[string]int{}
	for i, webhook := range webhooks {
		slots[i] = l.newSlot(webhook, l.queue(webhook))
		count[webhook]++
	}
	l.signalDrained()
	l.claimedFull = len(webhooks) >= r.Limit
	l.pool.signalRelief()
	if l.claimedFull {
		return slots
	}
	for webhook, room := range r.Room {
		if q := l.queues[webhook]; q != nil && count[webhook] < room && !q.newBacklog {
			q.backlog = false
			l.forgetIdle(webhook, q)
		}
	}
	for webhook, n := range count {
		room, named := r.Room[webhook]
		if !named {
			room = r.Each
		}
		if n >= room {
			l.queues[webhook].backlog = true
		}
	}
	return slots
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
