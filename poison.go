package webhook

import "github.com/listhook/webhook/internal/diagnose"

// A delivery whose attempt crashes the process leaves no outcome, and the next process
// claims it. Such a delivery is poison, and it is given up. Leases alone do not show it:
// a delivery that waits long for its host, its batch or its webhook's rate is leased
// many times too. So a delivery with many leases goes alone, and a note in its log
// precedes each attempt. Notes with no outcome after them are attempts that ended with
// their process.

// maxBegun is how many attempts in a row may leave nothing but their note.
const maxBegun = 3

// suspects reports whether d was leased so often that its attempts may crash their
// process, as far as can be told without its log. Those that make no request do not.
func (o *Options) suspects(d *Delivery, t *endpoint) bool {
	return t.broken == nil && d.Lease > 2*int64(d.Attempts)+o.maxUnexplained(t)
}

// maxUnexplained is how many leases a delivery may have beyond those that its log
// explains. Of a webhook with a rate limit each process may claim a delivery and return
// it before it knows the limit, once or twice in that delivery's life.
func (o *Options) maxUnexplained(t *endpoint) int64 {
	if t.RateLimit > 0 {
		return 50 + 4*int64(o.Processes)
	}
	return 50
}

// unexplained returns how many leases a log does not explain. An attempt stands for three:
// the claim's, the outcome's, and one of a process that gave the delivery back.
func unexplained(lease int64, log []Attempt) int64 {
	for i := range log {
		if lease -= 3; log[i].Code == string(diagnose.CodeBegun) {
			lease += 2
		}
	}
	return lease
}

// begunInVain returns how many attempts at the end of a log left nothing but their note.
func begunInVain(log []Attempt) (n int) {
	for n < len(log) && log[len(log)-1-n].Code == string(diagnose.CodeBegun) {
		n++
	}
	return n
}

// begun is the note before an attempt.
func begun() *Attempt {
	return &Attempt{
		Start: now(), Code: string(diagnose.CodeBegun),
		Reason: "Begun: this delivery has waited long, or earlier attempts left no outcome.",
	}
}

// givenUp is the last entry in the log of a delivery that is poison.
func givenUp() *Attempt {
	return &Attempt{
		Start: now(), Code: string(diagnose.CodeGivenUp),
		Reason: "Given up: it was begun many times, and no outcome could be stored.",
	}
}
