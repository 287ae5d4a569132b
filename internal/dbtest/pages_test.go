package dbtest

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/sqlstore"
	"github.com/listhook/webhook/internal/tally"
	"github.com/listhook/webhook/manage"
	"github.com/listhook/webhook/storetest"
)

// What a page may cost, whatever the log and the account hold.
const (
	pageBytes      = 150 << 10
	pageStatements = 10
	pageMemory     = 64 << 20 // all that is allocated, freed or not
)

// TestPagesOfALargeAccount follows every link of the page, of an account with many webhooks
// and deliveries, and holds what each costs. With LISTHOOK_PAGES=1000000 there are so many
// deliveries, and the costs are printed.
func TestPagesOfALargeAccount(t *testing.T) {
	many, webhooks := 4000, 5000
	if n, err := strconv.Atoi(os.Getenv("LISTHOOK_PAGES")); err == nil {
		many = n
	}
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			var list []recordedStatement
			var db sqlstore.Database
			s := plainStores[database](t).WithDatabase(func(d sqlstore.Database) sqlstore.Database {
				db = d
				return recorded{d, &list}
			})
			require.NoError(t, s.Migrate(t.Context()))
			d, err := webhook.New(s, nil, &webhook.Options{SearchKey: bytes.Repeat([]byte("k"), 32)})
			require.NoError(t, err)
			fillPages(t, d, s, webhooks, many)
			_, err = db.Exec(t.Context(), "analyze", nil)
			require.NoError(t, err)
			h, err := manage.Handler(d, &manage.Options{
				Session: func(*http.Request) (manage.Access, error) {
					return manage.Access{Account: "acme", Manage: true, Operator: true}, nil
				},
				MaxWebhooks: 10_000,
			})
			require.NoError(t, err)
			about, err := d.Subject("acme", webhook.SubjectEmail, "person3@example.com")
			require.NoError(t, err)

			todo := []string{
				"/", "/operator", "/operator?search=shop", "/?search=shop", "/webhooks/w00003/off", "/webhooks/w00003/resend?count=1&state=failed&since=2026-01-01T00:00",
				"/deliveries?webhook=Shop+7", "/deliveries?subscriber=person3", "/deliveries?subscriber=nobody", "/deliveries?about=" + url.QueryEscape(about),
				"/deliveries?campaign=1", "/deliveries?reason=503", "/deliveries?reason=refused", "/deliveries?delivery=msg_00000077", "/deliveries?event_id=event77",
				"/deliveries?since=2026-01-02T00:00&until=2026-01-03T00:00", "/deliveries?state=failed&webhook=w00003&event=open", "/explain?event=open&source=public",
				"/deliveries/msg_large",
			}
			for _, state := range []webhook.State{webhook.StatePending, webhook.StateDelivered, webhook.StateFailed, webhook.StateCanceled} {
				todo = append(todo, "/deliveries?state="+string(state), "/deliveries?state="+string(state)+"&webhook=w00003", "/deliveries?reason=503&state="+string(state))
			}
			seen := map[string]int{}
			for len(todo) > 0 {
				target := todo[0]
				todo = todo[1:]
				list = nil
				var before, after runtime.MemStats
				got := httptest.NewRecorder()
				runtime.ReadMemStats(&before)
				began := time.Now()
				h.ServeHTTP(got, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
				took := time.Since(began)
				runtime.ReadMemStats(&after)
				require.Contains(t, []int{200, 303, 422}, got.Code, target)
				body, memory := got.Body.String(), after.TotalAlloc-before.TotalAlloc
				line := fmt.Sprintf("%-80s %7d bytes %3d statements %6.1f MB", target, len(body), len(list), float64(memory)/(1<<20))
				if many >= 1_000_000 {
					t.Logf("%s %s", line, took.Round(100*time.Microsecond))
				}
				if strings.HasPrefix(got.Header().Get("Content-Disposition"), "attachment") {
					continue // a file is as large as it is
				}
				tooMuch := memory > pageMemory && !raced // the race detector allocates more
				if len(body) > pageBytes || len(list) > pageStatements || tooMuch {
					t.Errorf("too much: %s", line)
				}
				for _, link := range links(t, target, body) {
					// Each kind of address is followed a few times, since the first may be an exception.
					if kind := kindOf(link); seen[kind] < 3 && !strings.Contains(link, "/assets/") {
						seen[kind]++
						todo = append(todo, link)
					}
				}
			}
			require.Greater(t, len(seen), 20, "%v", seen)
		})
	}
}

var hrefs = regexp.MustCompile(` href="([^"#]*)`)

// links returns the addresses of the page that a page links to.
func links(t *testing.T, from, body string) (all []string) {
	base, err := url.Parse(from)
	require.NoError(t, err)
	for _, m := range hrefs.FindAllStringSubmatch(body, -1) {
		to, err := base.Parse(strings.ReplaceAll(m[1], "&amp;", "&"))
		require.NoError(t, err)
		if to.Host == "" && !slices.Contains(all, to.String()) {
			all = append(all, to.String())
		}
	}
	return all
}

var (
	idInPath = regexp.MustCompile(`/(w\d{5}|msg_\w+)`)
	value    = regexp.MustCompile(`=[^&]*`)
)

func kindOf(address string) string {
	return value.ReplaceAllString(idInPath.ReplaceAllString(path.Clean(address), "/ID"), "")
}

// fillPages stores webhooks with a month of figures, and deliveries in every state, of which
// one has a large body and was tried often.
func fillPages(t *testing.T, d *webhook.Dispatcher, s webhook.Store, webhooks, many int) {
	t.Helper()
	figures := &tally.Document{}
	start := time.Now().UTC().Truncate(time.Hour)
	for i := range 31 * 24 {
		h := tally.Hour{Start: start.Add(time.Duration(i-31*24+1) * time.Hour)}
		h.Attempts, h.Delivered, h.Failed = 123_456, 120_000, 1_234
		for j := range 40 {
			h.Took(time.Duration(j*j) * 9 * time.Millisecond)
		}
		figures.Add(h, start)
	}
	for i := range webhooks {
		_, err := s.PutWebhook(t.Context(), webhook.Webhook{
			ID: fmt.Sprintf("w%05d", i), Account: "acme", Created: now, Revision: 1, Tallies: figures.Bytes(), Settings: webhook.Settings{
				Name: fmt.Sprintf("Shop %d", i), URL: fmt.Sprintf("https://shop%d.example.com/hooks/in?key=%d", i, i),
				Events: webhook.EventTypes(), Sources: webhook.Sources(), Headers: map[string]string{"X-Shop": "1"},
			},
		})
		require.NoError(t, err)
	}
	const batch = 500
	present := time.Now().UTC().Truncate(time.Millisecond)
	states := []webhook.State{webhook.StateDelivered, webhook.StateDelivered, webhook.StateFailed, webhook.StatePending, webhook.StateCanceled}
	subject := func(kind webhook.SubjectKind, value string) string {
		hash, err := d.Subject("acme", kind, value)
		require.NoError(t, err)
		return hash
	}
	for from := 0; from < many; from += batch {
		var ds []webhook.Delivery
		for i := from; i < min(from+batch, many); i++ {
			person := fmt.Sprint("person", i/20)
			x := webhook.Delivery{
				ID: fmt.Sprintf("msg_%08d", i), Account: "acme", WebhookID: fmt.Sprintf("w%05d", i*7%webhooks), EventID: fmt.Sprint("event", i), Type: webhook.TypeOpen,
				Body: webhook.SampleBody(webhook.TypeOpen, webhook.FormatJSON), Created: present.Add(-time.Duration(many-i) * time.Second / 2),
				State: states[i%len(states)], Attempts: 1,
				Subjects: []string{
					subject(webhook.SubjectEvent, fmt.Sprint("event", i)), subject(webhook.SubjectSubscriber, person),
					subject(webhook.SubjectEmail, person+"@example.com"), subject(webhook.SubjectCampaign, fmt.Sprint(i/50_000)),
				},
			}
			x.Due = x.Created.Add(time.Second)
			x.Log = []webhook.Attempt{{Start: x.Created, Duration: time.Second, Status: 200, Response: []byte(`{"ok":true}`)}}
			if x.State != webhook.StateDelivered {
				x.Log[0].Status, x.Log[0].Reason = 503, "It failed."
			}
			ds = append(ds, x)
		}
		if from == 0 {
			x := ds[0]
			x.ID, x.EventID, x.Body, x.Log = "msg_large", "large", []byte(`{"type":"open","text":"`+strings.Repeat(`<\"é`, 50_000)+`"}`), nil
			for i := range 80 {
				x.Log = append(x.Log, webhook.Attempt{
					Start: x.Created.Add(time.Duration(i) * time.Second), Duration: time.Second, Status: 500, Reason: "It failed.", Response: bytes.Repeat([]byte(`<b>"`), 4000),
					Batch: fmt.Sprint("batch_", i), First: fmt.Sprintf("msg_%08d", cmp.Or(i, 1)),
				})
			}
			ds = append(ds, x)
		}
		_, err := s.Enqueue(t.Context(), storetest.Events(ds...))
		require.NoError(t, err)
	}
}
