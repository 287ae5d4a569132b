package limiter

// ExpectBacklog records that the store is about to hold due deliveries of a
// webhook. Until a claim finds none, TryAcquire lets no newer delivery of the
// webhook overtake them.
func (l *Limiter[T]) ExpectBacklog(webhook string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue(webhook).setBacklog()
}

// NoteBacklog records that the store has due deliveries of a webhook, and
// reports whether to claim now. A claim that began after ExpectBacklog may have
// missed them.
func (l *Limiter[T]) NoteBacklog(webhook string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.queue(webhook)
	q.setBacklog()
	return q.needsClaim()
}

// NoteOrdered records that the store has a due delivery of a webhook that no newer
// one can overtake, and reports whether to claim now. It lets TryAcquire go on,
// unless there is no room for a claim: then one follows once there is.
func (l *Limiter[T]) NoteOrdered(webhook string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.queues[webhook]
	if q == nil && l.free() > 0 || q != nil && q.room() > 0 && l.free() > 0 {
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
}

// Reserve holds slots for a claim, at most limit. Fill or Cancel must follow,
// before the next Reserve.
func (l *Limiter[T]) Reserve(limit int) Reservation {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := Reservation{Limit: min(limit, l.free()), Each: capacity(l.newLimit()), Room: map[string]int{}}
	if l.closed || r.Limit <= 0 {
		return Reservation{}
	}
	l.reserved += r.Limit
	for webhook, q := range l.queues {
		if q.held() > 0 || q.backlog || q.limit < l.config.startLimit() {
			r.Room[webhook] = q.room()
		}
		q.newBacklog = false
	}
	return r
}

// Fill ends a reservation and returns a slot for each claimed delivery, given
// by its webhook. A queue that got less than it had room for has no backlog.
func (l *Limiter[T]) Fill(r Reservation, webhooks []string) []*Slot[T] {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reserved -= r.Limit
	slots := make([]*Slot[T], len(webhooks))
	count := map[string]int{}
	for i, webhook := range webhooks {
		slots[i] = l.newSlot(webhook, l.queue(webhook))
		count[webhook]++
	}
	l.signalDrained()
	l.claimedFull = len(webhooks) >= r.Limit
	l.signalRelief()
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
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reserved -= r.Limit
	l.signalDrained()
	l.signalRelief()
}
