package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A served app runs until the test ends, as main runs it.
type served struct{ url, receiver, data string }

const key = "4f3c6d12f0ca2737"

func serveApp(t *testing.T, data string) (s served, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	said, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, settings{addr: "127.0.0.1:0", receiver: "127.0.0.1:0", apiKey: key, data: data}, out)
		_ = out.CloseWithError(io.EOF)
		ended <- err
	}()
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		rest, _, _ = strings.Cut(strings.TrimSpace(rest), " ")
		switch word {
		case "Open":
			s.url = strings.TrimSuffix(rest, "/")
		case "Receiver":
			s.receiver = rest
		case "Data":
			s.data = strings.TrimSuffix(rest, ",")
		}
		if s.data != "" {
			break
		}
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(t, <-ended)
		}
	}
	t.Cleanup(stop)
	if s.url == "" || s.receiver == "" || s.data == "" {
		cancel()
		t.Fatal("the app did not start: ", <-ended)
	}
	return s, stop
}

// Every event is caused by clicking, and seen on the inbox page.
func TestAVisitorSeesTheNineEventsArrive(t *testing.T) {
	b := newBrowser(t)
	app, _ := serveApp(t, "")

	b.open(app.url)
	b.click("Add a webhook for it", "Triggered by")
	assert.Equal(t, app.receiver, b.value("URL"))
	read[bool](b, `true`, `(document.querySelector("input[name=format][value='2013']").checked = true)`)
	b.click("Add webhook", "whsec_")
	secret := read[string](b, `document.getElementById("key") !== null`, `document.getElementById("key").textContent.trim()`)
	b.open(app.url + "/inbox")
	b.fill("The webhook’s secret", secret)
	b.click("Set", "The receiver was set.")

	b.open(app.url)
	b.click("Subscribe somebody", "Newsletter")
	b.fill("Email", "hedy@example.com")
	b.fill("First name", "Hedy")
	b.fill("City", "Vienna")
	b.click("Subscribe", "Subscribed.")
	b.click("Hedy", "Save")
	b.fill("Last name", "Lamarr & <b>Co</b>")
	b.click("Save", "The details were saved.")

	b.click("Campaigns", "Write a campaign")
	b.click("Spring newsletter", "Send it now")
	b.click("Send it now", "The campaign was sent")
	b.click("Its mails in the outbox", "These mails went out")
	b.click("Open “What is new this spring” as Ada Lovelace", "Hello Ada Lovelace")
	b.click("https://example.com/offers?from=newsletter", "Hello Ada Lovelace") // it opens beside
	b.click("Forward to friends", "Their addresses")
	b.fill("Their addresses", "mary@example.com, charles@example.com")
	b.click("Forward", "Your friends will thank you")
	b.click("Back to the outbox", "These mails went out")
	b.click("Open “What is new this spring” as Ada Lovelace", "Hello Ada Lovelace")
	b.click("Share it", "What you say with it")
	b.fill("What you say with it", "50% off = nice")
	b.click("Share on Twitter", "It was shared")
	b.click("Back to the outbox", "These mails went out")
	b.click("Open “What is new this spring” as Grace Hopper", "Hello Grace Hopper")
	b.click("Unsubscribe", "Why? You need not say.")
	b.fill("Why? You need not say.", "Too many mails")
	b.click("Unsubscribe", "You were unsubscribed.")
	b.click("Back to the outbox", "These mails went out")
	b.click("Hard bounce of the mail to Alan Turing", "The mail came back.")
	b.click("Receiver’s inbox", "What arrived at")

	// Grace's mail was opened like Ada's.
	type request struct {
		Signature string
		Fields    [][2]string
	}
	arrived := read[[]request](b, `document.querySelectorAll("#came details").length === 10`, `[...document.querySelectorAll("#came details")].map(one => ({
		Signature: one.querySelector("summary .badge").textContent,
		Fields: [...one.querySelector("table").rows].map(row => [row.cells[0].textContent, row.cells[1].textContent]),
	}))`)
	var got []map[string]string
	for _, one := range arrived {
		assert.Equal(t, "signature valid", one.Signature)
		fields := map[string]string{}
		for _, f := range one.Fields {
			fields[f[0]] = f[1]
		}
		assert.Regexp(t, `^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d$`, fields["date_time"])
		delete(fields, "date_time")
		got = append(got, fields)
	}
	hedy := fields("id", "6", "email", "hedy@example.com", "first_name", "Hedy", "last_name", "", "ip", "0.0.0.0", "fields][7", "Vienna")
	ada := fields("id", "1", "email", "ada@example.com", "first_name", "Ada", "last_name", "Lovelace", "ip", "0.0.0.0", "fields][7", "London")
	grace := fields("id", "2", "email", "grace@example.com", "first_name", "Grace", "last_name", "Hopper", "ip", "0.0.0.0", "fields][7", "New York")
	alan := fields("id", "3", "email", "alan@example.com", "first_name", "Alan", "last_name", "Turing", "ip", "0.0.0.0", "fields][7", "Wilmslow")
	spring := fields("id", "34", "name", "Spring newsletter", "type", "single", "status", "2", "recipients", "5",
		"message][id", "34", "message][subject", "What is new this spring")
	renamed := fields("id", "6", "email", "hedy@example.com", "first_name", "Hedy", "last_name", "Lamarr & <b>Co</b>", "ip", "0.0.0.0", "fields][7", "Vienna")
	assert.ElementsMatch(t, []map[string]string{
		event("subscribe", "admin", block{"subscriber", hedy}),
		event("update", "admin", block{"subscriber", renamed}),
		event("sent", "admin", block{"campaign", spring}),
		event("open", "public", block{"subscriber", ada}, block{"campaign", spring}),
		event("click", "public", block{"subscriber", ada}, block{"campaign", spring},
			block{"link", fields("id", "79", "url", "https://example.com/offers?from=newsletter")}),
		event("forward", "public", block{"subscriber", ada}, block{"campaign", spring}, block{"forward", fields("count", "2")}),
		event("share", "public", block{"subscriber", ada}, block{"campaign", spring},
			block{"share", fields("network", "twitter", "content", "50% off = nice")}),
		event("open", "public", block{"subscriber", grace}, block{"campaign", spring}),
		event("unsubscribe", "public", block{"subscriber", grace}, block{"campaign", spring},
			block{"unsubscribe", fields("reason", "Too many mails")}),
		event("bounce", "system", block{"subscriber", alan}, block{"campaign", spring},
			block{"bounce", fields("type", "hard", "code", "5.1.1", "description", "The mailbox does not exist")}),
	}, got)
}

// A block is what stands in a form under one name: subscriber[...].
type block struct {
	name   string
	fields map[string]string
}

func fields(pairs ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

// event returns an event's form.
func event(kind, source string, blocks ...block) map[string]string {
	form := fields("type", kind, "initiated_from", source, "initiated_by", source, "list", "12")
	for _, b := range blocks {
		for name, value := range b.fields {
			form[b.name+"["+name+"]"] = value
		}
	}
	return form
}

// ask sends a form, with the key if it is for an API.
func ask(t *testing.T, method, address string, form url.Values) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Api-Token", key)
	resp, err := http.DefaultTransport.RoundTrip(req) // follows nothing
	require.NoError(t, err)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(content)
}

func addWebhook(t *testing.T, app served, target string) (status int, body string) {
	return ask(t, "POST", app.url+"/integration/webhooks/admin/api.php?api_action=webhook_add&api_output=json&api_key="+key, url.Values{
		"name": {"CRM"}, "url": {target}, "lists[0]": {"0"}, "action[subscribe]": {"subscribe"}, "init[api]": {"api"},
	})
}

// The receiver has a port of its own so that no webhook may press the app's
// buttons.
func TestWebhooksReachNothingOfThisMachineButTheReceiver(t *testing.T) {
	app, _ := serveApp(t, t.TempDir())
	for target, ok := range map[string]string{
		app.receiver:                     `"result_code":1`,
		app.url + "/campaigns/34/send":   `"result_code":0`,
		"http://localhost/":              `"result_code":0`,
		"http://169.254.169.254/":        `"result_code":0`,
		"http://[::1]/":                  `"result_code":0`,
		"http://127.0.0.1:22/":           `"result_code":0`,
		"http://user@127.0.0.1:80/":      `"result_code":0`,
		"http://2130706433/integration/": `"result_code":0`,
	} {
		status, body := addWebhook(t, app, target)
		assert.Equal(t, http.StatusOK, status)
		assert.Contains(t, body, ok, target)
	}
}

func TestAGivenFolderKeepsTheDataAndAnotherIsRemoved(t *testing.T) {
	folder := t.TempDir()
	app, stop := serveApp(t, folder)
	status, _ := ask(t, "POST", app.url+"/api/subscribe", url.Values{"list": {"12"}, "email": {"hedy@example.com"}})
	require.Equal(t, http.StatusCreated, status)
	stop()
	app, _ = serveApp(t, folder)
	_, page := ask(t, "GET", app.url+"/lists/12", nil)
	assert.Contains(t, page, "hedy@example.com")

	passing, stop := serveApp(t, "")
	require.DirExists(t, passing.data)
	stop()
	_, err := os.Stat(passing.data)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestMistakesAreToldWhereTheyWereMade(t *testing.T) {
	app, _ := serveApp(t, "")
	for name, test := range map[string]struct {
		path   string
		form   url.Values
		status int
		want   string
	}{
		"no email address":     {"/lists/12/subscribers", url.Values{"email": {"<script>"}}, 422, "“&lt;script&gt;” is no email address."},
		"subscribed already":   {"/signup/12", url.Values{"email": {"ADA@example.com"}}, 422, "is on the list already"},
		"a list without name":  {"/lists", url.Values{"name": {" "}}, 422, "Give the list a name."},
		"half a campaign":      {"/campaigns", url.Values{"list": {"12"}, "name": {"kept as typed"}}, 422, "kept as typed"},
		"no such list":         {"/lists/99/subscribers", url.Values{"email": {"a@example.com"}}, 404, "There is nothing here"},
		"no such campaign":     {"/campaigns/0/send", nil, 404, "There is nothing here"},
		"no such mail":         {"/unsubscribe/0", nil, 404, "There is nothing here"},
		"no such subscriber":   {"/subscribers/0", nil, 404, "There is nothing here"},
		"a receiver's teapot":  {"/inbox", url.Values{"answer": {"418"}}, 422, "Choose what to answer."},
		"not the secret":       {"/inbox", url.Values{"answer": {"200"}, "secret": {"x"}}, 422, "That is no secret"},
		"the API without list": {"/api/subscribe", url.Values{"email": {"a@example.com"}}, 422, "no such list"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := ask(t, "POST", app.url+test.path, test.form)
			assert.Equal(t, test.status, status)
			assert.Contains(t, body, test.want)
		})
	}
}

func TestACampaignIsSentOnce(t *testing.T) {
	app, _ := serveApp(t, "")
	status, _ := ask(t, "POST", app.url+"/campaigns/34/send", nil)
	assert.Equal(t, http.StatusSeeOther, status)
	status, body := ask(t, "POST", app.url+"/campaigns/34/send", nil)
	assert.Equal(t, http.StatusUnprocessableEntity, status)
	assert.Contains(t, body, "The campaign was sent already.")
}

// The app's own event type goes to webhooks that ask for it, once all mails of a
// campaign were opened or came back.
func TestACampaignIsFinished(t *testing.T) {
	app, _ := serveApp(t, "")
	status, body := ask(t, "POST", app.url+"/integration/webhooks/admin/api.php?api_action=webhook_add&api_output=json&api_key="+key, url.Values{
		"name": {"CRM"}, "url": {app.receiver}, "action[]": {"campaign_finished"}, "init[]": {"system"},
	})
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, "Webhook added")
	_, body = ask(t, "GET", app.url+"/integration/webhooks/api/3/webhook/events", nil)
	assert.Contains(t, body, `"campaign_finished"`)
	_, body = ask(t, "GET", app.url+"/integration/webhooks/samples", nil)
	assert.Contains(t, body, "Campaign Finished")

	status, _ = ask(t, "POST", app.url+"/campaigns/34/send", nil)
	assert.Equal(t, http.StatusSeeOther, status)
	_, body = ask(t, "GET", app.url+"/outbox", nil)
	bounces := regexp.MustCompile(`/outbox/[0-9a-f]+/bounce`).FindAllString(body, -1)
	require.NotEmpty(t, bounces)
	for _, target := range slices.Concat(bounces, bounces) { // a second bounce is none
		status, _ = ask(t, "POST", app.url+target, url.Values{"type": {"soft"}})
		assert.Equal(t, http.StatusSeeOther, status)
	}
	assert.Eventually(t, func() bool {
		_, body = ask(t, "GET", app.url+"/inbox", nil)
		return strings.Contains(body, "<code>data[bounces]</code></th><td>"+strconv.Itoa(len(slices.Compact(bounces)))+"</td>")
	}, time.Minute, 50*time.Millisecond, "the receiver gets it")
	assert.Equal(t, 1, strings.Count(body, "<strong>campaign_finished</strong>"), "once")
}
