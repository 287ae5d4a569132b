package redisstore

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

// A delivery is a hash. What never changes is JSON in one field; what may change, or is
// looked at by scripts, has a field of its own.

// The fields that are read, for three kinds of readers. added is the number of the call
// of Enqueue that added the delivery.
var (
	withoutBody = []string{"doc", "added", "state", "due", "lease", "attempts", "failure", "key", "joined", "passed", "sequence", "subjects"}
	withoutLog  = append(withoutBody[:len(withoutBody):len(withoutBody)], "body", "carrier")
	whole       = append(withoutLog[:len(withoutLog):len(withoutLog)], "log")
)

// encode returns the fields of a new delivery, but for its body.
func encode(d webhook.Delivery) (map[string]string, error) {
	var err error
	text := func(v any) string {
		doc, failed := json.Marshal(v)
		err = errors.Join(err, failed)
		return string(doc)
	}
	fields := map[string]string{
		"id": d.ID, "account": d.Account, "webhook": d.WebhookID, "created": sortable(d.Created),
		"doc": text(webhook.Delivery{
			ID: d.ID, Account: d.Account, WebhookID: d.WebhookID, EventID: d.EventID, Type: d.Type, Created: d.Created, Time: d.Time,
		}),
		"state": string(d.State), "due": sortable(d.Due), "lease": strconv.FormatInt(d.Lease, 10), "attempts": strconv.Itoa(d.Attempts),
		"failure": d.Failure, "key": d.Key, "joined": sortable(d.Joined), "passed": "", "sequence": "",
		"subjects": text(append([]string{}, d.Subjects...)), // "[]" rather than "null"
	}
	if len(d.Carrier) > 0 {
		fields["carrier"] = text(d.Carrier)
	}
	if len(d.Log) > 0 {
		entries, failed := logText(d.Log)
		fields["log"], err = entries, errors.Join(err, failed)
	}
	return fields, err
}

// logText returns the entries of a log with commas between them, to which scripts append.
func logText(log []webhook.Attempt) (string, error) {
	doc, err := json.Marshal(log)
	return strings.TrimSuffix(strings.TrimPrefix(string(doc), "["), "]"), err
}

// decode returns a delivery of which some fields were read, and the number of the call
// that added it. Without an ID, it is not stored.
func decode(names []string, row []any) (d webhook.Delivery, added int64, err error) {
	fields := map[string]string{}
	for i, value := range row {
		fields[names[i]], _ = value.(string)
	}
	if fields["doc"] == "" {
		return d, 0, nil
	}
	parse := func(text string, into any) {
		err = errors.Join(err, json.Unmarshal([]byte(text), into))
	}
	parse(fields["doc"], &d)
	parse(fields["added"], &added)
	parse(fields["lease"], &d.Lease)
	parse(fields["attempts"], &d.Attempts)
	parse(cmp.Or(fields["sequence"], "0"), &d.Sequence)
	parse(fields["subjects"], &d.Subjects)
	parse(cmp.Or(fields["carrier"], "null"), &d.Carrier)
	parse("["+fields["log"]+"]", &d.Log)
	d.State, d.Failure, d.Key = webhook.State(fields["state"]), fields["failure"], fields["key"]
	d.PassedOver = fields["passed"] != ""
	if body := fields["body"]; body != "" {
		d.Body = []byte(body)
	}
	var failed error
	d.Due, failed = parseSortable(fields["due"])
	err = errors.Join(err, failed)
	d.Joined, failed = parseSortable(fields["joined"])
	return d, added, errors.Join(err, failed)
}

const timeLength = 15

// sortable returns a time as the number of milliseconds since the year 1, with as many
// digits as the year 9999 has. So texts sort as the times do.
func sortable(t time.Time) string {
	return fmt.Sprintf("%0*d", timeLength, t.UnixMilli()-time.Time{}.UnixMilli())
}

func parseSortable(text string) (time.Time, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	return time.UnixMilli(n + time.Time{}.UnixMilli()).UTC(), err
}
