// Package receivers tests the receivers in its folders: each is run as its
// users run it, in Go and in PHP, and gets events from a real dispatcher.
package receivers

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/examples/internal/receivertest"
)

// day is the beginning of a day in which the events happen.
var day = time.Date(2026, 3, 31, 9, 0, 0, 0, time.UTC)

func meta(minute int, lists ...string) webhook.Meta {
	return webhook.Meta{Lists: lists, Source: webhook.SourcePublic, Time: day.Add(time.Duration(minute) * time.Minute)}
}

func person(id, name string, fields map[string]string) webhook.Subscriber {
	return webhook.Subscriber{ID: id, Email: strings.ToLower(name) + "@example.com", FirstName: name, Fields: fields}
}

var (
	ada    = person("1", "Ada", map[string]string{"7": "London", "8": webhook.Choices("A", "B")})
	grace  = person("2", "Grace", nil)
	alan   = person("3", "Alan", nil)
	spring = webhook.Campaign{ID: "34", Name: "Spring & <b>more</b>", Recipients: 1250}
	summer = webhook.Campaign{ID: "35", Name: "Summer"}
)

// A use is what a receiver keeps of the events that it gets.
type use struct {
	folder string
	events []webhook.Event // in the order in which they arrive
	rows   map[string][]string
	page   string // part of what it shows
}

func uses() []use {
	moved := person("1", "Ada", map[string]string{"7": "Paris", "8": webhook.Choices("B")})
	return []use{
		{
			folder: "sync",
			events: []webhook.Event{
				webhook.Subscribe{Meta: meta(1, "12"), Subscriber: ada},
				webhook.Subscribe{Meta: meta(2, "13"), Subscriber: ada},
				webhook.Update{Meta: meta(9, "12", "13"), Subscriber: moved},
				webhook.Update{Meta: meta(3, "12", "13"), Subscriber: person("1", "Late", nil)},
				webhook.Unsubscribe{Meta: meta(5, "12"), Subscriber: grace},
				webhook.Subscribe{Meta: meta(4, "12"), Subscriber: grace},
				webhook.Open{Meta: meta(6, "12"), Subscriber: alan, Campaign: spring},
			},
			rows: map[string][]string{
				`SELECT id, email, first_name, last_name FROM subscribers ORDER BY id`:           {"1|ada@example.com|Ada|", "2|grace@example.com|Grace|"},
				`SELECT subscriber, field, value FROM fields ORDER BY subscriber, field`:         {"1|7|Paris", "1|8|||B||"},
				`SELECT list, subscriber, subscribed FROM memberships ORDER BY list, subscriber`: {"12|1|1", "12|2|0", "13|1|1"},
			},
			page: "2 subscribed\n",
		},
		{
			folder: "stats",
			events: []webhook.Event{
				webhook.Open{Meta: meta(1, "12"), Subscriber: ada, Campaign: spring},
				webhook.Open{Meta: meta(2, "12"), Subscriber: ada, Campaign: spring},
				webhook.Open{Meta: meta(3, "12"), Subscriber: grace, Campaign: spring},
				webhook.Click{Meta: meta(4, "12"), Subscriber: ada, Campaign: spring, Link: webhook.Link{ID: "78", URL: "https://example.com"}},
				webhook.Forward{Meta: meta(5, "12"), Subscriber: ada, Campaign: spring, Details: webhook.ForwardDetails{Count: 3}},
				webhook.Share{Meta: meta(6, "12"), Subscriber: ada, Campaign: summer, Details: webhook.ShareDetails{Network: webhook.NetworkTwitter}},
				webhook.Unsubscribe{Meta: meta(7, "12"), Subscriber: ada},
			},
			rows: map[string][]string{
				`SELECT campaign, reaction, sum(times), count(*) FROM reactions GROUP BY 1, 2 ORDER BY 1, 2`: {
					"34|click|1|1", "34|forward|1|1", "34|open|3|2", "35|share|1|1",
				},
			},
			page: "<h1>Live reactions</h1>",
		},
		{
			folder: "suppress",
			events: []webhook.Event{
				webhook.Unsubscribe{Meta: meta(1, "12"), Subscriber: ada},
				webhook.Subscribe{Meta: meta(4, "12"), Subscriber: grace}, // came back, told first
				webhook.Unsubscribe{Meta: meta(3, "12"), Subscriber: grace},
				webhook.Bounce{Meta: meta(5, "12"), Subscriber: grace, Campaign: spring, Details: webhook.BounceDetails{Type: webhook.BounceSoft}},
				webhook.Bounce{Meta: meta(6, "12"), Subscriber: alan, Campaign: spring, Details: webhook.BounceDetails{
					Type: webhook.BounceHard, Code: "5.1.1", Description: "No such mailbox",
				}},
			},
			rows: map[string][]string{
				`SELECT email, scope, why FROM suppressed ORDER BY email`: {
					"ada@example.com|list 12|unsubscribed", "alan@example.com|every list|5.1.1 No such mailbox",
				},
			},
			page: "ada@example.com\tlist 12\tunsubscribed\nalan@example.com\tevery list\t5.1.1 No such mailbox\n",
		},
		{
			folder: "usage",
			events: []webhook.Event{
				webhook.Sent{Meta: meta(1, "12"), Campaign: spring},
				webhook.Sent{Meta: meta(60*24, "12"), Campaign: summer}, // the next month
				webhook.Open{Meta: meta(2, "12"), Subscriber: ada, Campaign: spring},
			},
			rows: map[string][]string{
				`SELECT campaign, name, month, recipients FROM starts ORDER BY campaign`: {
					"34|Spring & <b>more</b>|2026-03|1250", "35|Summer|2026-04|0",
				},
			},
			page: "2026-03\t1\t1250\n2026-04\t1\t0\n",
		},
	}
}

// Whatever is delivered twice, and in whatever order, each receiver knows the
// same in the end.
func TestReceivers(t *testing.T) {
	ran := languages(t)
	for _, use := range uses() {
		for _, l := range ran {
			for _, format := range webhook.Formats() {
				t.Run(fmt.Sprintf("%s in %s of %s", use.folder, l.name, format), func(t *testing.T) {
					data := filepath.Join(t.TempDir(), "receiver.db")
					secret := webhook.NewSecret()
					host := serve(t, l, use.folder, secret.Key, data)
					s := newSender(t, host, format, secret)
					for _, e := range use.events {
						s.Deliver(1, e)
					}
					for query, want := range use.rows {
						assert.Equal(t, want, rows(t, data, query))
					}
					s.redeliverAll(len(use.events))
					s.test()
					for query, want := range use.rows {
						assert.Equal(t, want, rows(t, data, query), "each came twice")
					}
					assert.Contains(t, get(t, host, "/"), use.page)

					before := rows(t, data, `SELECT count(*) FROM seen`)
					resp, err := http.PostForm("http://"+host+"/", url.Values{"type": {"subscribe"}})
					require.NoError(t, err)
					require.NoError(t, resp.Body.Close())
					assert.Equal(t, http.StatusUnauthorized, resp.StatusCode, "what is not signed is not believed")
					assert.Equal(t, before, rows(t, data, `SELECT count(*) FROM seen`))
				})
			}
		}
	}
}

// The page hears of a reaction while it is open.
func TestStatsAreLive(t *testing.T) {
	l := languages(t)[0]
	secret := webhook.NewSecret()
	host := serve(t, l, "stats", secret.Key, filepath.Join(t.TempDir(), "receiver.db"))
	s := newSender(t, host, webhook.FormatCurrent, secret)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/live", nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))

	told := bufio.NewScanner(resp.Body)
	next := func() string {
		for told.Scan() {
			if data, ok := strings.CutPrefix(told.Text(), "data: "); ok {
				return data
			}
		}
		t.Fatal("the stream ended: ", told.Err())
		return ""
	}
	assert.JSONEq(t, `[]`, next())
	s.Deliver(1, webhook.Open{Meta: meta(1, "12"), Subscriber: ada, Campaign: spring})
	assert.JSONEq(t, `[{"campaign": "34", "reaction": "open", "times": 1, "people": 1}]`, next())
}

// A sender is an app with one webhook, of every event and without order: the tests
// emit events in another order than they happened in.
type sender struct {
	*receivertest.Sender
	t       *testing.T
	webhook string
}

func newSender(t *testing.T, host string, format webhook.Format, secret webhook.Secret) *sender {
	t.Helper()
	s := &sender{Sender: receivertest.NewSender(t, host), t: t}
	s.webhook = s.Ordered(host, webhook.OrderNone, format, secret)
	return s
}

// redeliverAll delivers everything again, the latest first.
func (s *sender) redeliverAll(n int) {
	s.t.Helper()
	ds, err := s.Deliveries(s.t.Context(), webhook.DeliveryQuery{Webhook: s.webhook})
	require.NoError(s.t, err)
	require.Len(s.t, ds, n)
	for _, d := range ds {
		require.NoError(s.t, s.RedeliverAnyway(s.t.Context(), "", d.ID))
		s.Await(1)
	}
}

// test sends the tests that a webhook's page can send: they change nothing.
func (s *sender) test() {
	s.t.Helper()
	for _, event := range webhook.EventTypes() {
		a, err := s.SendTest(s.t.Context(), "", s.webhook, event)
		require.NoError(s.t, err)
		require.Equal(s.t, http.StatusOK, a.Status)
	}
}

// rows returns what a query finds, a text for each row.
func rows(t *testing.T, file, query string) []string {
	t.Helper()
	db, err := sql.Open("sqlite", file+"?_pragma=busy_timeout(10000)")
	require.NoError(t, err)
	defer db.Close()
	found, err := db.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer found.Close()
	columns, err := found.Columns()
	require.NoError(t, err)
	var all []string
	for found.Next() {
		values := make([]string, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		require.NoError(t, found.Scan(into...))
		all = append(all, strings.Join(values, "|"))
	}
	require.NoError(t, found.Err())
	return all
}

func get(t *testing.T, host, path string) string {
	t.Helper()
	resp, err := http.Get("http://" + host + path)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	return string(body)
}
