package main

import (
	"bytes"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/listhook/webhook"
)

// An event is given to every subject, to be POSTed to one target. Its number tells it
// from all others.
type event struct {
	number int
	target int
	at     time.Time // when it should be emitted
	keyed  bool      // it is an update, which waits for others of its subscriber
}

// people is how many subscribers the keyed events are about.
const people = 20_000

// stamp is a text by which the receiver recognises the event and computes its
// latency: all processes run on one machine and read one clock.
func (e event) stamp() string {
	return strconv.Itoa(e.number) + "." + strconv.FormatInt(e.at.UnixNano(), 10)
}

// stampKey and jsonStampKey are the custom field that holds the stamp, as it is in a
// body of either format.
var (
	stampKey     = []byte("subscriber%5Bfields%5D%5B3%5D=")
	jsonStampKey = []byte(`"3":"`)
)

// parseStamps reads the stamps out of a body, in JSON those of all events.
func parseStamps(body []byte) iter.Seq2[int, int64] {
	return func(yield func(number int, at int64) bool) {
		if !bytes.HasPrefix(body, []byte("[")) && !bytes.HasPrefix(body, []byte("{")) {
			if number, at, ok := parseStamp(body); ok {
				yield(number, at)
			}
			return
		}
		for {
			_, rest, found := bytes.Cut(body, jsonStampKey)
			if !found {
				return
			}
			value, rest, _ := bytes.Cut(rest, []byte(`"`))
			number, at, ok := splitStamp(value)
			if !ok || !yield(number, at) {
				return
			}
			body = rest
		}
	}
}

// parseStamp reads the stamp out of a form.
func parseStamp(body []byte) (number int, at int64, ok bool) {
	i := bytes.Index(body, stampKey)
	if i < 0 {
		return 0, 0, false
	}
	value, _, _ := bytes.Cut(body[i+len(stampKey):], []byte("&"))
	return splitStamp(value)
}

// splitStamp reads the text of a stamp.
func splitStamp(value []byte) (number int, at int64, ok bool) {
	first, second, _ := bytes.Cut(value, []byte("."))
	number, err := strconv.Atoi(string(first))
	if err != nil {
		return 0, 0, false
	}
	at, err = strconv.ParseInt(string(second), 10, 64)
	return number, at, err == nil
}

// Ten targets share an account, each having a list of its own, so that an
// event is for exactly one webhook.
func account(target int) string { return "account-" + strconv.Itoa(target/10) }
func list(target int) string    { return strconv.Itoa(target%10 + 1) }

var opened = time.Date(2026, 11, 23, 9, 28, 42, 0, time.UTC)

// update returns a keyed event for this library.
func (e event) update() webhook.Update {
	u := webhook.Update{Meta: e.open().Meta, Subscriber: e.open().Subscriber}
	u.Subscriber.ID = strconv.Itoa(e.number % people)
	return u
}

// keyed reports whether the event of a number is keyed, in a job with some of them.
func (j *job) keyed(number int) bool { return number%100*37%100 < j.Keyed }

// open returns the event for this library.
func (e event) open() webhook.Open {
	return webhook.Open{
		Meta: webhook.Meta{
			Account: account(e.target),
			Lists:   []string{list(e.target)},
			Source:  webhook.SourcePublic,
			Time:    opened,
		},
		Subscriber: webhook.Subscriber{
			ID: "4711", Email: "jane.doe@example.com", FirstName: "Jane", LastName: "Doe", IP: "203.0.113.7",
			Fields: map[string]string{"1": "Berlin", "2": "premium", "3": e.stamp()},
		},
		Campaign: webhook.Campaign{ID: "42", Name: "November news"},
	}
}

// body returns the event's body as this library encodes it, for subjects that get
// their bodies ready made.
func (e event) body() []byte {
	return fmt.Appendf(nil, "type=open&date_time=2026-11-23+09%%3A28%%3A42&initiated_from=public&initiated_by=public&list=%s"+
		"&subscriber%%5Bid%%5D=4711&subscriber%%5Bemail%%5D=jane.doe%%40example.com&subscriber%%5Bfirst_name%%5D=Jane"+
		"&subscriber%%5Blast_name%%5D=Doe&subscriber%%5Bip%%5D=203.0.113.7&subscriber%%5Bfields%%5D%%5B1%%5D=Berlin"+
		"&subscriber%%5Bfields%%5D%%5B2%%5D=premium&%s%s&campaign%%5Bid%%5D=42&campaign%%5Bname%%5D=November+news",
		list(e.target), stampKey, e.stamp())
}

// Classes of targets, the first part of their path.
const (
	classPlain = "plain" // answers at once, and is counted
	classHang  = "hang"  // answers after hangTime
	classOther = "other" // of another account, in the phase backlog
	classKeyed = "keyed" // a plain one that gets a keyed event, whatever its path
)

// hangTime is how long a target of classHang takes to answer.
const hangTime = 10 * time.Second

// A target is one receiver's endpoint.
type target struct {
	number int
	class  string
}

// url places the targets on different addresses of loopback, which count as
// different hosts.
func (j *job) url(t target) string {
	return fmt.Sprintf("http://%s:%d/%s/%d", host(t.number%j.Hosts), j.Port, t.class, t.number)
}

func host(n int) string { return fmt.Sprintf("127.0.%d.%d", n/250, n%250+1) }

// target returns a target of the job's: the plain ones come first, then those
// that hang. Beyond them there is the other account's.
func (j *job) target(n int) target {
	switch {
	case n < j.Webhooks:
		return target{n, classPlain}
	case n < j.Webhooks+j.Hanging:
		return target{n, classHang}
	}
	return target{n, classOther}
}

// otherTarget belongs to another account than the first ten and, if there are two
// hosts, to another host than the first one.
const otherTarget = 11

// targets are all those of a job.
func (j *job) targets() []target {
	var ts []target
	for n := range j.Webhooks + j.Hanging {
		ts = append(ts, j.target(n))
	}
	if j.Phase == "backlog" {
		ts = append(ts, j.target(otherTarget))
	}
	return ts
}
