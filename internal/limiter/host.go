package limiter

// A host counts the attempts for all webhooks behind one host. Its fields are guarded by
// the pool's mu.
type host[T any] struct {
	name    string
	busy    int            // attempts, except stalled ones
	called  int            // places that are kept for deliveries that waited, until these take them or leave
	waiting fifo[*Slot[T]] // deliveries that found no place
}

// host returns the host with a name, a new one if it is not known. The caller holds mu.
func (p *Pool[T]) host(name string) *host[T] {
	h := p.hosts[name]
	if h == nil {
		h = &host[T]{name: name}
		p.hosts[name] = h
	}
	return h
}

// releaseHost ends the counting of an attempt against its host's limit. The caller holds
// mu, and calls the pool's startNext.
func (s *Slot[T]) releaseHost() {
	if h := s.host; h != nil {
		s.host = nil
		h.busy--
		s.limiter.pool.callWaiting(h)
	}
}

// endCall notes that a delivery was called to its host, and took its place there or left
// it to others. It returns the host; nil: none had called it. The caller holds mu, and
// calls callWaiting.
func (s *Slot[T]) endCall() *host[T] {
	h := s.calledBy
	if h == nil {
		return nil
	}
	s.calledBy = nil
	h.called--
	if s.state == waiting { // it was not started
		s.queue.called--
	}
	return h
}

// callWaiting has deliveries that wait for a host go first in their queues, as many as
// the host has places for. It passes over those whose queues are at their limits or
// rates: they go on by themselves, and wait for the host again if they must. The caller
// holds mu, and calls startNext. Nil does nothing.
func (p *Pool[T]) callWaiting(h *host[T]) {
	if h == nil {
		return
	}
	for h.waiting.len() > 0 && h.busy+h.called < p.config.PerHost {
		s := h.waiting.pop()
		q := s.queue
		q.urgent.pushFirst(s)
		if q.busy+q.called >= q.limit {
			s.limiter.trim(q)
			continue
		}
		p.schedule(q)
		if !q.mayCall() {
			s.limiter.awaitRate(q)
			continue
		}
		s.calledBy = h
		h.called++
		q.called++
	}
	if h.busy+h.called+h.waiting.len() == 0 {
		delete(p.hosts, h.name)
	}
}
