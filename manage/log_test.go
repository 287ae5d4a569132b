package manage

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/storetest"
)

// finished puts deliveries into the log, a minute apart, newest last.
func (r *harness) finished(w webhook.Webhook, n int, state webhook.State, kind webhook.EventType, from time.Time) {
	var ds []webhook.Delivery
	for i := range n {
		at := from.Add(time.Duration(i) * time.Minute).UTC().Truncate(time.Millisecond)
		ds = append(ds, webhook.Delivery{
			ID: fmt.Sprintf("%s-%s-%03d", kind, state, i), Account: w.Account, WebhookID: w.ID, EventID: "e", Type: kind,
			Body: []byte("type=" + string(kind)), Created: at, State: state, Due: at, Attempts: 1,
		})
	}
	_, err := r.store.Enqueue(r.t.Context(), storetest.Events(ds...))
	require.NoError(r.t, err)
}

var deliveryLink = regexp.MustCompile(`deliveries/([a-z]+-[a-z]+-\d+)"`)

// shown returns the deliveries that a page links to.
func shown(body string) (ids []string) {
	for _, m := range deliveryLink.FindAllStringSubmatch(body, -1) {
		ids = append(ids, m[1])
	}
	return ids
}

func TestTheLogIsFilteredAndPaged(t *testing.T) {
	r := newHarness(t)
	w, other := r.put(nil), r.put(func(w *webhook.Webhook) { w.Name = "Other" })
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r.finished(w, 120, webhook.StateDelivered, webhook.TypeOpen, noon)
	r.finished(w, 3, webhook.StateFailed, webhook.TypeClick, noon)
	r.finished(other, 2, webhook.StateCanceled, webhook.TypeBounce, noon)

	for _, c := range []struct {
		query string
		want  int
	}{
		{"", 50},
		{"?state=failed", 3},
		{"?event=bounce", 2},
		{"?webhook=" + other.ID, 2},
		{"?state=failed&event=open", 0},
		{"?since=2026-03-01T13:50", 10},
		{"?since=2026-03-01T12:00:00&until=2026-03-01T12:01:00", 3},
	} {
		got := r.as("ann", "/deliveries"+c.query, nil)
		assert.Equal(t, 200, got.Code, c.query)
		assert.Len(t, shown(got.Body.String()), c.want, c.query)
	}
	assert.Equal(t, 422, r.as("ann", "/deliveries?since=lately", nil).Code)
	assert.Equal(t, 422, r.as("ann", "/deliveries?state=nonsense", nil).Code)
	assert.Equal(t, 404, r.as("ann", "/deliveries?after=nonsense", nil).Code)

	follow := func(body, text string) string {
		m := regexp.MustCompile(`href="\./([^"]*)">` + text).FindStringSubmatch(body)
		if m == nil {
			return ""
		}
		return "/" + strings.ReplaceAll(m[1], "&amp;", "&")
	}
	var pages [][]string
	page := "/deliveries?event=open"
	for page != "" {
		body := r.as("ann", page, nil).Body.String()
		pages = append(pages, shown(body))
		if next := follow(body, "Older"); next != "" {
			page = next
			continue
		}
		var back [][]string
		for newer := follow(body, "Newer"); newer != ""; newer = follow(body, "Newer") {
			body = r.as("ann", newer, nil).Body.String()
			back = append([][]string{shown(body)}, back...)
		}
		assert.Equal(t, pages[:len(pages)-1], back, "going back shows the same pages")
		break
	}
	require.Len(t, pages, 3)
	assert.Equal(t, "open-delivered-119", pages[0][0])
	assert.Len(t, pages[2], 20)
}

func TestADeliveryShowsWhatWasSentAndAnswered(t *testing.T) {
	r := newHarness(t)
	r.put(func(w *webhook.Webhook) { w.Headers = map[string]string{"Authorization": "Bearer t"} })
	d := r.emit("e1")
	lost, err := r.store.Apply(t.Context(), []webhook.Change{{
		ID: d.ID, Lease: d.Lease, State: webhook.StateFailed, Due: d.Due, Attempts: 1, Log: &webhook.Attempt{
			Start: d.Created, Duration: 250 * time.Millisecond, Status: 500, Reason: "The receiver failed.", Detail: "10.0.0.7 said so",
			Response: []byte("<b>bold\xff</b>"),
		},
	}})
	require.NoError(t, err)
	require.Empty(t, lost)
	body := r.as("ann", "/deliveries/"+d.ID, nil).Body.String()
	for _, want := range []string{
		"Campaign Opened", "The receiver failed (500 Internal Server Error)", "250 ms", "&lt;b&gt;bold\ufffd&lt;/b&gt;", "subscriber[email]", "test@test.com",
		"POST /hook HTTP/1.1", "Host: crm.example.com", "Authorization: •••", "Webhook-Id: " + d.ID, "Resend",
		"type=open&amp;date_time=2013-01-02&#43;09%3A28%3A42&amp;",
	} {
		assert.Contains(t, body, want)
	}
	assert.NotContains(t, body, "10.0.0.7", "details are for the operator")
	assert.NotContains(t, body, "Bearer t")

	require.Equal(t, 303, r.as("ann", "/deliveries/"+d.ID+"/resend", url.Values{}).Code)
	ds, err := r.Deliveries(t.Context(), webhook.DeliveryQuery{Account: "acme"})
	require.NoError(t, err)
	assert.Equal(t, webhook.StatePending, ds[0].State)
	assert.Contains(t, r.as("ann", "/deliveries/"+d.ID, nil).Body.String(), "Send now")
}

func TestADeliveryShowsTheURLThatRequestsGoTo(t *testing.T) {
	r := newHarness(t)
	w := r.put(func(w *webhook.Webhook) { w.URL = "https://BÜCHER.example:443/hook?name=My shop" })
	d := r.emit("e1")
	body := r.as("ann", "/deliveries/"+d.ID, nil).Body.String()
	assert.Contains(t, body, "POST /hook?name=My%20shop HTTP/1.1")
	assert.Contains(t, body, "Host: xn--bcher-kva.example\n")
	assert.Contains(t, r.as("ann", "/webhooks/"+w.ID, nil).Body.String(), "https://BÜCHER.example:443/hook?name=My shop", "its owner reads what he wrote")
	operator := r.as("op", "/operator/webhook?account=acme&id="+w.ID, nil).Body.String()
	assert.Contains(t, operator, "xn--bcher-kva.example", "the operator reads where it leads")
	assert.NotContains(t, operator, "My shop")
}
