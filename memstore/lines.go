package memstore

import (
	"cmp"
	"time"
)

// A line holds the pending deliveries of one webhook with the same Key.
type line struct {
	key     lineKey
	pending sortedSet[*delivery] // by place, not empty; the first one alone is in the webhook's queue
}

type lineKey struct{ webhook, key string }

func byPlace(a, b *delivery) int { return cmp.Compare(a.place, b.place) }

// blocked reports whether d stands behind others in its line.
func (d *delivery) blocked() bool { return d.place != 0 && d.line.first() != d }

// blocks reports whether d is the first of its line and another one joined before the
// given time.
func (d *delivery) blocks(before time.Time) bool {
	if d.place == 0 || d.blocked() {
		return false
	}
	for other := range d.line.pending.ascend(always) {
		if other != d && other.Joined.Before(before) {
			return true
		}
	}
	return false
}

// first returns the first delivery, nil if there is none.
func (l *line) first() *delivery {
	d, _ := l.pending.first()
	return d
}

// align puts d, which is new or was changed, in its line, or takes it out. It is called
// between unschedule and schedule.
func (s *Store) align(d *delivery) {
	switch {
	case d.place == 0 && d.InLine():
		// A restarted process has to go on above the numbers that receivers know.
		s.lastPlace = max(s.lastPlace+1, d.Joined.UnixMilli()<<10)
		d.place = s.lastPlace
		if d.Sequence == 0 {
			d.Sequence = d.place
		}
		d.line = s.line(lineKey{d.WebhookID, d.Key})
		d.line.pending.insert(d)
	case d.place != 0 && !d.InLine():
		l, first := d.line, !d.blocked()
		l.pending.delete(d)
		d.line, d.place = nil, 0
		switch next := l.first(); {
		case next == nil:
			delete(s.lines, l.key)
		case first:
			s.schedule(next)
		}
	}
}

// line returns the line with a key. It adds one if there is none.
func (s *Store) line(key lineKey) *line {
	l := s.lines[key]
	if l == nil {
		l = &line{key: key}
		l.pending.compare = byPlace
		s.lines[key] = l
	}
	return l
}
