package storetest

import (
	"fmt"
	"slices"

	"github.com/listhook/webhook"
)

// sequences are what is known of the Sequences that a store gave. In which order it
// gave them is known from the start, and each number once it was seen.
type sequences struct {
	lines map[lineKey][]*sequence // in the order of joining, those of removed deliveries too
	byID  map[string]*sequence    // of the deliveries that are stored
	next  func(lineKey) int64     // for a store, which gives numbers; nil: they are to be seen
}

type sequence struct {
	line    lineKey
	number  int64 // 0: it was not seen yet
	claimed bool
}

func newSequences() sequences {
	return sequences{lines: map[lineKey][]*sequence{}, byID: map[string]*sequence{}}
}

// join notes that d joins its line.
func (s sequences) join(d *webhook.Delivery) {
	if s.byID[d.ID] != nil {
		return
	}
	n := &sequence{line: keyOf(*d)}
	s.byID[d.ID] = n
	s.lines[n.line] = append(s.lines[n.line], n)
	if s.next != nil {
		n.number = s.next(n.line)
		d.Sequence = n.number
	}
}

// forget notes that a delivery was removed. Its number is not given again.
func (s sequences) forget(id string) { delete(s.byID, id) }

// see notes the Sequence with which a store returned d, from Claim or not, and says what
// is wrong with it, "" if nothing.
func (s sequences) see(d webhook.Delivery, claimed bool) string {
	n := s.byID[d.ID]
	switch {
	case n == nil && d.Sequence != 0:
		return fmt.Sprintf("%q has the Sequence %d, and never stood in a line", d.ID, d.Sequence)
	case n == nil:
		return ""
	}
	n.claimed = n.claimed || claimed
	switch {
	case d.Sequence == 0 && !n.claimed:
		return "" // not yet
	case d.Sequence <= 0:
		return fmt.Sprintf("%q was claimed, and has the Sequence %d", d.ID, d.Sequence)
	case n.number != 0 && n.number != d.Sequence:
		return fmt.Sprintf("%q has the Sequence %d, and had %d", d.ID, d.Sequence, n.number)
	}
	n.number = d.Sequence
	line := s.lines[n.line]
	at := slices.Index(line, n)
	for i, other := range line {
		if other.number != 0 && (i < at && other.number >= n.number || i > at && other.number <= n.number) {
			return fmt.Sprintf("%q has the Sequence %d, and one that joined its line %s it has %d",
				d.ID, n.number, map[bool]string{true: "before", false: "after"}[i < at], other.number)
		}
	}
	return ""
}

var sequenceRules = []rule{
	{"sequence_ascends_in_a_line",
		"A delivery's Sequence is a positive number, greater than any that was given in its line before. Claim returns it, and Deliveries from then on.",
		func(c *checker) {
			for i := range 4 {
				c.enqueue(keyed(fmt.Sprint("a", i), "1", "k", at(-i)), keyed(fmt.Sprint("b", i), "1", "other", t0), keyed(fmt.Sprint("c", i), "2", "k", t0))
			}
			c.enqueue(line("d", "e", "f")...)
			for key, ds := range c.worksOff(t0) {
				c.ascends(fmt.Sprintf("in the line %q of the webhook %s", key.key, key.webhook), ds)
				for _, d := range ds {
					if stored := c.delivery(d.ID).Sequence; stored != d.Sequence {
						c.broken("Claim returned %q with the Sequence %d, and Deliveries with %d", d.ID, d.Sequence, stored)
					}
				}
			}
		}},

	{"sequence_is_the_stores",
		"The Store gives a delivery its Sequence, whatever Enqueue says; one that never stood in a line has none.",
		func(c *checker) {
			a, b, none := keyed("a", "1", "k", t0), keyed("b", "1", "k", t0), pending("none", "1", t0)
			a.Sequence, b.Sequence, none.Sequence = 1_000_000, 5, 7
			c.enqueue(a, b, none)
			lines := c.worksOff(t0)
			c.ascends("although Enqueue named others", lines[lineKey{"1", "k"}])
			if n := lines[lineKey{"1", ""}][0].Sequence; n != 0 {
				c.broken("a delivery without a Key has the Sequence %d", n)
			}
		}},

	{"sequence_goes_on_in_an_empty_line",
		"A Sequence is greater than any that was given in the line before, also when nothing is left in the line, or stored of it.",
		func(c *checker) {
			c.enqueue(line("a", "b")...)
			ds := c.worksOff(t0)[lineKey{"1", "k"}]
			c.enqueue(line("c")...)
			ds = append(ds, c.worksOff(at(1))[lineKey{"1", "k"}]...)
			if n := c.prune(at(100), 100); n != 3 {
				c.broken("Prune returned %d, want 3", n)
			}
			c.enqueue(line("a", "d")...)
			ds = append(ds, c.worksOff(at(200))[lineKey{"1", "k"}]...)
			c.ascends("before and after a prune", ds)
		}},

	{"sequence_is_given_once",
		"A delivery keeps its Sequence when it is claimed again, and when it joins its line again, though its place is then new.",
		func(c *checker) {
			c.enqueue(line("a", "b", "c")...)
			a := c.takes("at first", t0, "a")[0]
			if again := c.takes("again", at(60), "a")[0]; again.Sequence != a.Sequence {
				c.broken("its Sequence was %d, and is %d when it is claimed again", a.Sequence, again.Sequence)
			}
			c.ends(webhook.StateFailed, at(61), "a")
			c.reopens("a", at(62))
			ds := c.worksOff(at(62))[lineKey{"1", "k"}]
			c.ids("the order", ids(ds), []string{"b", "c", "a"})
			if again := ds[2]; again.Sequence != a.Sequence {
				c.broken("its Sequence was %d, and is %d when it joined again", a.Sequence, again.Sequence)
			}
			c.ascends("by first joining", []webhook.Delivery{a, ds[0], ds[1]})
		}},

	{"sequence_of_one_that_was_never_claimed",
		"A delivery gets its Sequence when it first joins a line, whether or not it is claimed there: one that was canceled and joins again has that of its first place.",
		func(c *checker) {
			c.enqueue(line("a", "b", "c", "d")...)
			c.ends(webhook.StateCanceled, t0, "a", "c")
			b := c.takes("at first", at(1), "b")[0]
			c.reopens("a", at(2))
			c.reopens("c", at(2))
			c.ends(webhook.StateDelivered, at(3), "b")
			ds := c.worksOff(at(3))[lineKey{"1", "k"}]
			c.ids("the order", ids(ds), []string{"d", "a", "c"})
			c.ascends("by first joining", []webhook.Delivery{ds[1], b, ds[2], ds[0]})
		}},

	{"sequence_of_one_that_left_its_line",
		"A delivery that leaves its line keeps its Sequence, and later ones get greater ones.",
		func(c *checker) {
			c.enqueue(line("a", "b")...)
			a := c.takes("at first", t0, "a")[0]
			c.applied(webhook.Change{ID: "a", Lease: 1, State: webhook.StatePending, Due: at(1), LeaveLine: true})
			c.enqueue(line("c")...)
			lines := c.worksOff(at(1))
			left := lines[lineKey{"1", ""}]
			c.ids("outside of the line", ids(left), []string{"a"})
			if left[0].Sequence != a.Sequence {
				c.broken("its Sequence was %d, and is %d since it left", a.Sequence, left[0].Sequence)
			}
			c.ascends("by joining", append(left, lines[lineKey{"1", "k"}]...))
		}},
}

// ascends ends the case unless the Sequences of ds are positive and ascend.
func (c *checker) ascends(how string, ds []webhook.Delivery) {
	c.t.Helper()
	var last int64
	for _, d := range ds {
		if d.Sequence <= last {
			var all []string
			for _, d := range ds {
				all = append(all, fmt.Sprintf("%s: %d", d.ID, d.Sequence))
			}
			c.broken("the Sequences %s do not ascend from 1 or more: %s", how, list(all))
		}
		last = d.Sequence
	}
}
