package memstore

import (
	"cmp"
	"time"
)

// A line holds the pending deliveries of one webhook with the same Key. The first one
// alone is in the webhook's queue.
type line struct {
	key        lineKey
	deliveries sortedSet[*delivery] // by place; not empty
}

type lineKey struct{ webhook, key string }

func byPlace(a, b *delivery) int { return cmp.Compare(a.place, b.place) }

// blocked reports whether d stands behind others in its line.
func (d *delivery) blocked() bool { return d.line != nil && d.line.first() != d }

func (l *line) first() *delivery {
	d, _ := l.deliveries.first()
	return d
}

// blocks reports whether a delivery of l other than the first joined before the given
// time.
func (l *line) blocks(before time.Time) bool {
	for d := range l.deliveries.ascend(always) {
		if d != l.first() && d.Joined.Before(before) {
			return true
		}
	}
	return false
}

// join adds d to the end of its line. It is called before schedule.
func (s *Store) join(d *delivery) {
	key := lineKey{d.WebhookID, d.Key}
	l := s.lines[key]
	if l == nil {
		l = &line{key: key}
		l.deliveries.compare = byPlace
		s.lines[key] = l
	}
	s.lastPlace++
	d.line, d.place = l, s.lastPlace
	if d.Sequence == 0 {
		d.Sequence = d.place
	}
	l.deliveries.insert(d)
}

// leave removes d from its line, after unschedule. If it was the first, the next one
// is scheduled.
func (s *Store) leave(d *delivery) {
	l := d.line
	first := l.first() == d
	l.deliveries.delete(d)
	d.line = nil
	if next := l.first(); next == nil {
		delete(s.lines, l.key)
	} else if first {
		s.schedule(next)
	}
}
