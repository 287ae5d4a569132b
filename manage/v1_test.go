package manage

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"mime/multipart"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/params"
	"github.com/listhook/webhook/manage/internal/v1"
	"github.com/listhook/webhook/memstore"
)

const formType = "application/x-www-form-urlencoded"

// v1 calls the older API as ann and reads its JSON.
func (r *harness) v1(action, query, body string) map[string]any {
	r.t.Helper()
	method := "GET"
	if body != "" {
		method = "POST"
	}
	got := r.rawV1("ann", method, "&api_action="+action+"&api_output=json"+query, formType, body)
	require.Equal(r.t, 200, got.Code, "%s", got.Body)
	var reply map[string]any
	require.NoError(r.t, json.Unmarshal(got.Body.Bytes(), &reply))
	assert.Equal(r.t, "json", reply["result_output"])
	return reply
}

func (r *harness) rawV1(key, method, query, contentType, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequestWithContext(r.t.Context(), method, "/admin/api.php?api_key="+key+query, strings.NewReader(body))
	req.Header.Set("Content-Type", contentType)
	return r.do(req)
}

// all returns acme's webhooks.
func (r *harness) all() []webhook.Webhook {
	ws, err := r.Webhooks(r.t.Context(), webhook.WebhookQuery{Account: "acme"})
	require.NoError(r.t, err)
	return ws
}

func TestV1TakesEveryEncodingThatClientsSend(t *testing.T) {
	const base = "name=A&url=https%3A%2F%2Fa.example.com%2F"
	two := []webhook.EventType{webhook.TypeSubscribe, webhook.TypeOpen}
	json := func(key, value string) string { return "&" + key + "=" + url.QueryEscape(value) }
	for _, c := range []struct{ name, query, body, list string }{
		{"repeated, raw brackets", "", "&action[]=subscribe&action[]=open&init[]=public&lists[]=12", "12"},
		{"repeated, encoded brackets", "", "&action%5B%5D=subscribe&action%5B%5D=open&init%5B%5D=public&lists%5B%5D=12", "12"},
		{"indexed", "", "&action[0]=subscribe&action[1]=open&init[0]=public&lists[0]=12", "12"},
		{"by name", "", "&action[subscribe]=subscribe&action[open]=open&init[public]=public&lists[12]=12", "12"},
		{"JSON arrays", "", json("action", `["subscribe","open"]`) + json("init", `["public"]`) + json("lists", `[12]`), "12"},
		{"JSON objects", "", json("action", `{"0":"subscribe","1":"open"}`) + json("init", `{"0":"public"}`) + json("lists", `{"0":0}`), ""},
		{"commas", "", "&action=subscribe,open&init=public&lists=12", "12"},
		{"in the query", "&action[]=subscribe&action%5B%5D=open&init[]=public&lists[12]=12", "", "12"},
		{"flags by name", "", "&action[subscribe]=1&action[open]=on&action[click]=0&action[sent]=&init[public]=true&init[admin]=false&lists[12]=12", "12"},
		{"list 0", "", "&action[]=subscribe&action[]=open&init[]=public&lists[0]=0", ""},
		{"no list", "", "&action[]=subscribe&action[]=open&init[]=public", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newHarness(t)
			if c.body != "" {
				c.body = base + c.body
			} else {
				c.query += "&" + base
			}
			reply := r.v1("webhook_add", c.query, c.body)
			require.EqualValues(t, 1, reply["result_code"], reply)
			ws := r.all()
			require.Len(t, ws, 1)
			w := ws[0]
			assert.Equal(t, fmt.Sprintf("%.0f", reply["id"]), w.ID)
			assert.Equal(t, "A", w.Name)
			assert.Equal(t, "https://a.example.com/", w.URL)
			assert.ElementsMatch(t, two, w.Events)
			assert.Equal(t, []webhook.Source{webhook.SourcePublic}, w.Sources)
			assert.Equal(t, c.list, w.List)
		})
	}

	t.Run("multipart, as PHP's curl sends arrays", func(t *testing.T) {
		r := newHarness(t)
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		for _, p := range []struct{ Key, Value string }{
			{"name", "A"}, {"url", "https://a.example.com/"}, {"action[0]", "subscribe"}, {"action[1]", "open"},
			{"init[0]", "api"}, {"lists[12]", "12"},
		} {
			require.NoError(t, form.WriteField(p.Key, p.Value))
		}
		require.NoError(t, form.Close())
		got := r.rawV1("ann", "POST", "&api_action=webhook_add&api_output=json", form.FormDataContentType(), body.String())
		assert.Contains(t, got.Body.String(), `"result_code":1`)
		require.Len(t, r.all(), 1)
		assert.ElementsMatch(t, two, r.all()[0].Events)
	})
}

func TestV1AddsAWebhookForEachList(t *testing.T) {
	r := newHarness(t)
	reply := r.v1("webhook_add", "", "name=A&url=https://a.example.com/&action[]=open&init[]=api&lists[13]=13&lists[12]=12")
	assert.Equal(t, "2 webhooks added, one for each list", reply["result_message"])
	ws := r.all()
	require.Len(t, ws, 2)
	first := ws[slices.IndexFunc(ws, func(w webhook.Webhook) bool { return w.List == "13" })]
	assert.Equal(t, first.ID, fmt.Sprintf("%.0f", reply["id"]), "the answer is the one of the list that came first")

	t.Run("or none when one cannot be", func(t *testing.T) {
		reply := r.v1("webhook_add", "", "name=B&url=https://a.example.com/&action[]=open&init[]=api&lists[12]=12&lists[66]=66")
		assert.EqualValues(t, 0, reply["result_code"])
		assert.Equal(t, "Failed: lists is none of the account's lists", reply["result_message"])
		assert.Len(t, r.all(), 2)
	})
}

func TestV1EditsWhatIsSent(t *testing.T) {
	r := newHarness(t)
	w := r.put(func(w *webhook.Webhook) { w.List = "12" })
	reply := r.v1("webhook_edit", "", "id="+w.ID+"&name=New&action[]=click&lists[13]=13&lists[12]=12")
	require.EqualValues(t, 1, reply["result_code"], reply)
	ws := r.all()
	require.Len(t, ws, 1, "an edit makes no further webhooks")
	assert.Equal(t, "New", ws[0].Name)
	assert.Equal(t, w.URL, ws[0].URL)
	assert.Equal(t, "12", ws[0].List, "it keeps its list, if that is among those sent")
	assert.Equal(t, []webhook.EventType{webhook.TypeClick}, ws[0].Events)
	assert.Equal(t, w.Sources, ws[0].Sources)

	reply = r.v1("webhook_edit", "", "id="+w.ID+"&lists[13]=13")
	require.EqualValues(t, 1, reply["result_code"], reply)
	assert.Equal(t, "13", r.all()[0].List)
}

func TestV1DoesNothingForHEADAndOPTIONS(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	for _, method := range []string{"HEAD", "OPTIONS"} {
		got := r.rawV1("ann", method, "&api_action=webhook_delete&api_output=json&id="+w.ID, formType, "")
		assert.Equal(t, 405, got.Code)
		assert.Equal(t, "GET, POST", got.Header().Get("Allow"))
		assert.Len(t, r.all(), 1)
	}
}

func TestV1ReadsAQueryAsPHPDoes(t *testing.T) {
	r := newHarness(t)
	r.put(func(w *webhook.Webhook) { w.Name = "50% off; today" })
	r.put(nil)
	got := r.rawV1("ann", "GET", "&api_action=webhook_list&api_output=json&filters[name]=50%+off;+today", formType, "")
	assert.Equal(t, "application/json", got.Header().Get("Content-Type"))
	assert.Equal(t, 1, strings.Count(got.Body.String(), "50% off; today"))
	got = r.rawV1("ann", "POST", "&api_action=webhook_list&api_output=json", "application/json", `{"filters":{"name":"x"}}`)
	assert.Contains(t, got.Body.String(), "Failed: the request's body is in JSON, which this API does not take: send a form")
}

func TestV1ShowsRowsAsTheOriginalDoes(t *testing.T) {
	r := newHarness(t)
	w := r.put(func(w *webhook.Webhook) {
		w.Events, w.Sources = []webhook.EventType{"open"}, []webhook.Source{"admin"}
	})
	r.put(func(w *webhook.Webhook) { w.Name, w.List = "Other", "12" })

	row := r.v1("webhook_view", "&id="+w.ID, "")
	assert.Equal(t, w.ID, row["id"])
	assert.Equal(t, "0", row["listid"])
	assert.Equal(t, w.Created.Format("2006-01-02 15:04:05"), row["cdate"])
	assert.EqualValues(t, 1, row["open"])
	assert.EqualValues(t, 0, row["subscribe"])
	assert.EqualValues(t, 1, row["init_admin"])
	assert.EqualValues(t, 0, row["init_public"])

	list := r.v1("webhook_list", "", "")
	require.Contains(t, list, "0")
	require.Contains(t, list, "1")
	assert.NotContains(t, list, "2")
	filtered := r.v1("webhook_list", "&filters[name]=Other", "")
	assert.Equal(t, "Other", filtered["0"].(map[string]any)["name"])
	assert.NotContains(t, filtered, "1")
	assert.NotContains(t, r.v1("webhook_list", "&filters[listid]=0", ""), "1")

	me := r.v1("user_me", "", "")
	assert.Equal(t, "ann@example.com", me["email"])
	assert.Equal(t, "1", me["id"], "as users/me of the newer API")

	click := r.v1("webhook_events", "", "")["5"].(map[string]any)
	assert.Equal(t, "Link Clicked", click["description"])
	assert.Equal(t, "click", click["db_field"])
	fields := click["fields"].(map[string]any)
	assert.Equal(t, "url", fields["link"].(map[string]any)["url"])
	assert.Equal(t, "15", fields["contact"].(map[string]any)["fields"].(map[string]any)["15"])
	assert.Contains(t, click["example_response"], "type=click")
}

func TestV1Deletes(t *testing.T) {
	r := newHarness(t)
	a, b, c := r.put(nil), r.put(nil), r.put(nil)
	assert.EqualValues(t, 1, r.v1("webhook_delete", "&id="+a.ID, "")["result_code"])
	assert.EqualValues(t, 0, r.v1("webhook_delete", "&id="+a.ID, "")["result_code"])
	reply := r.v1("webhook_delete_list", "&ids="+a.ID+","+b.ID, "")
	assert.Equal(t, "Failed: of 2 ids, 1 names no webhook of the account; 1 webhook was deleted", reply["result_message"])
	require.Len(t, r.all(), 1)
	assert.Equal(t, c.ID, r.all()[0].ID)
	reply = r.v1("webhook_delete_list", "&ids="+a.ID, "")
	assert.Equal(t, "Failed: ids names no webhook of the account", reply["result_message"])
	reply = r.v1("webhook_delete_list", "&ids="+a.ID+","+b.ID, "")
	assert.Equal(t, "Failed: none of the 2 ids names a webhook of the account", reply["result_message"])
	assert.EqualValues(t, 0, r.v1("webhook_delete_list", "", "")["result_code"], "without ids nothing is deleted")
	assert.EqualValues(t, 0, r.v1("webhook_delete_list", "&ids=", "")["result_code"])
	require.Len(t, r.all(), 1)
	assert.Equal(t, "1 webhook deleted", r.v1("webhook_delete_list", "&ids="+c.ID, "")["result_message"])
	r.put(nil)
	r.put(nil)
	reply = r.v1("webhook_delete_list", "&ids=all", "")
	assert.EqualValues(t, 1, reply["result_code"])
	assert.Equal(t, "2 webhooks deleted", reply["result_message"])
	assert.Empty(t, r.all())
	reply = r.v1("webhook_delete_list", "&ids=all", "")
	assert.EqualValues(t, 1, reply["result_code"])
	assert.Equal(t, "Success: there are no webhooks", reply["result_message"])
}

func TestV1SaysWhatIsWrong(t *testing.T) {
	const good = "name=A&url=https://a.example.com/&action[]=open&init[]=api"
	without := func(text string) string { return strings.Replace(good, text, "x", 1) }
	for _, c := range []struct{ name, action, body, want string }{
		{"unknown action", "contact_add", good, "api_action is none that webhooks have: account_view, list_list, list_view, user_me, " +
			"webhook_add, webhook_edit, webhook_view, webhook_list, webhook_delete, webhook_delete_list, webhook_events"},
		{"no action", "", good, "api_action is missing"},
		{"no name", "webhook_add", without("name"), "name is empty"},
		{"no URL", "webhook_add", without("url"), "url is empty"},
		{"no type", "webhook_add", without("action"), "action is empty: the webhook would never fire"},
		{"no source", "webhook_add", without("init"), "init is empty: the webhook would never fire"},
		{"unknown type", "webhook_add", without("open") + "&init[]=api", `action contains none of the app's event types, but "x"`},
		{"unknown source", "webhook_add", good + "&init[]=aliens", `init contains "aliens", not one of public, admin, api and system`},
		{"unknown list", "webhook_add", good + "&lists[66]=66", "lists is none of the account's lists"},
		{"several mistakes", "webhook_add", "name=+&url=ftp://a.example.com&action[]=deal_add&init[]=aliens&lists[66]=66&lists[12]=12",
			`action contains none of the app's event types, but "deal_add"; url does not begin with http:// or https://; ` +
				`init contains "aliens", not one of public, admin, api and system; name is empty; lists is none of the account's lists`},
		{"nothing", "webhook_add", "x=y", "name is empty; url is empty; action is empty: the webhook would never fire; init is empty: the webhook would never fire"},
		{"no id", "webhook_edit", good, "id is missing"},
		{"unknown id", "webhook_view", "id=5", "id names no webhook of the account"},
		{"bad escape", "webhook_add", good + "&x=%zz", "the request's body is not encoded as its content type says"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newHarness(t)
			reply := r.v1(c.action, "", c.body)
			assert.EqualValues(t, 0, reply["result_code"])
			assert.Equal(t, "Failed: "+c.want, reply["result_message"])
			assert.Empty(t, r.all())
		})
	}

	t.Run("several mistakes in an edit", func(t *testing.T) {
		r := newHarness(t)
		w := r.put(nil)
		reply := r.v1("webhook_edit", "", "id="+w.ID+"&name=&url=https://10.0.0.1/&init[]=aliens&lists[66]=66")
		assert.Equal(t, `Failed: name is empty; init contains "aliens", not one of public, admin, api and system; lists is none of the account's lists`,
			reply["result_message"])
		assert.Equal(t, w.Settings, r.all()[0].Settings)
	})
	t.Run("too long, or too many", func(t *testing.T) {
		r := newHarness(t)
		for _, body := range []string{strings.Repeat("x", params.MaxBody+1), strings.Repeat("a=&", params.Max+1)} {
			got := r.rawV1("ann", "POST", "&api_action=webhook_add&api_output=json", formType, body)
			assert.Equal(t, 413, got.Code)
		}
	})
	t.Run("over the account's limit", func(t *testing.T) {
		r := newHarness(t, func(o *Options) { o.MaxWebhooks = 2 })
		assert.EqualValues(t, 1, r.v1("webhook_add", "", good)["result_code"])
		assert.Equal(t, "Failed: The account may have no more than 2 webhooks: delete some first.", // it has one
			r.v1("webhook_add", "", good+"&lists[]=12&lists[]=13")["result_message"])
		assert.Len(t, r.all(), 1)
	})
	t.Run("without the right", func(t *testing.T) {
		r := newHarness(t)
		for _, key := range []string{"", "nobody", "bob"} {
			got := r.rawV1(key, "POST", "&api_action=webhook_add&api_output=json", formType, good)
			assert.Equal(t, 200, got.Code)
			assert.JSONEq(t, `{"result_code":0,"result_message":"You are not authorized to access this file","result_output":"json"}`, got.Body.String())
		}
		assert.Empty(t, r.all())
	})
}

func TestV1Outputs(t *testing.T) {
	r := newHarness(t)
	r.put(func(w *webhook.Webhook) { w.Name = `Zoë & <b>"x"</b>` })

	t.Run("xml, when none is named", func(t *testing.T) {
		got := r.rawV1("ann", "GET", "&api_action=webhook_list", "", "")
		assert.Equal(t, "text/xml; charset=utf-8", got.Header().Get("Content-Type"))
		var list struct {
			XMLName xml.Name `xml:"webhook_list"`
			Rows    []struct {
				Name string `xml:"name"`
				Open int    `xml:"open"`
			} `xml:"row"`
			Code   int    `xml:"result_code"`
			Output string `xml:"result_output"`
		}
		require.NoError(t, xml.Unmarshal(got.Body.Bytes(), &list))
		require.Len(t, list.Rows, 1)
		assert.Equal(t, `Zoë & <b>"x"</b>`, list.Rows[0].Name)
		assert.Equal(t, 1, list.Rows[0].Open)
		assert.Equal(t, 1, list.Code)
		assert.Equal(t, "xml", list.Output)
	})
	t.Run("xml of every action is well formed", func(t *testing.T) {
		for action := range v1.Actions() {
			dec := xml.NewDecoder(r.rawV1("ann", "GET", "&api_action="+action, "", "").Body)
			for {
				_, err := dec.Token()
				if err == io.EOF {
					break
				}
				require.NoError(t, err, action)
			}
		}
	})
	t.Run("whatever their case", func(t *testing.T) {
		assert.Contains(t, r.rawV1("ann", "GET", "&api_action=user_me&api_output=JSON", "", "").Body.String(), `"result_output":"json"`)
	})
	t.Run("serialize, as PHP reads it", func(t *testing.T) {
		if _, err := exec.LookPath("php"); err != nil {
			if slices.Contains(strings.Split(os.Getenv("LISTHOOK_REQUIRE"), ","), "php") {
				t.Fatal(err)
			}
			t.Skip("php is not installed")
		}
		for _, action := range []string{"webhook_list", "webhook_events", "webhook_add", "list_list", "account_view", "list_view&id=12"} {
			cmd := exec.Command("php", "-r", `echo json_encode(unserialize(stream_get_contents(STDIN), ['allowed_classes' => false]));`)
			cmd.Stdin = r.rawV1("ann", "GET", "&api_action="+action+"&api_output=serialize", "", "").Body
			out, err := cmd.Output()
			require.NoError(t, err)
			var fromPHP, fromJSON map[string]any
			require.NoError(t, json.Unmarshal(out, &fromPHP), "%s", out)
			got := r.rawV1("ann", "GET", "&api_action="+action+"&api_output=json", "", "")
			require.NoError(t, json.Unmarshal(got.Body.Bytes(), &fromJSON))
			fromJSON["result_output"] = "serialize"
			assert.Equal(t, fromJSON, fromPHP, action)
		}
	})
}

// A hangingUp store has the client hang up while the second webhook is stored.
type hangingUp struct {
	webhook.Store
	puts   int
	hangUp context.CancelFunc
}

func (s *hangingUp) PutWebhook(ctx context.Context, w webhook.Webhook) (int64, error) {
	if s.puts++; s.puts == 2 {
		s.hangUp()
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return s.Store.PutWebhook(ctx, w)
}

// A call for several lists adds a webhook for each of them, or none.
func TestNoneIsAddedWhenTheClientHangsUp(t *testing.T) {
	store := &hangingUp{Store: memstore.New()}
	r := newHarnessOn(t, store)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	store.hangUp = cancel
	req := httptest.NewRequestWithContext(ctx, "POST", "/admin/api.php?api_key=ann&api_action=webhook_add&api_output=json",
		strings.NewReader("name=A&url=https%3A%2F%2Fa.example.com%2F&lists[]=12&lists[]=13&action[]=open&init[]=api"))
	req.Header.Set("Content-Type", formType)
	r.do(req)
	assert.GreaterOrEqual(t, store.puts, 2)
	assert.Empty(t, r.all())
}
