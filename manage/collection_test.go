package manage

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/v3"
)

// object calls the newer API as a key and reads its JSON.
func (r *harness) object(key, target string) (int, map[string]any) {
	r.t.Helper()
	got := r.call(key, "GET", target, "")
	require.Equal(r.t, "application/json", got.Header().Get("Content-Type"), target)
	var object map[string]any
	require.NoError(r.t, json.Unmarshal(got.Body.Bytes(), &object), "%s", got.Body)
	return got.Code, object
}

// Typed clients fail where an array stands for the object that they know.
func TestLinksAreAnObjectButOnWebhooks(t *testing.T) {
	r := newHarness(t)
	id := r.put(nil).ID
	for target, key := range map[string]string{
		"lists/12": "list", "fields/7": "field", "campaigns/34": "campaign", "users/me": "user",
		"lists": "lists", "fields": "fields", "campaigns": "campaigns",
	} {
		status, object := r.object("ann", "/api/3/"+target)
		require.Equal(t, 200, status)
		items, several := object[key].([]any)
		if !several {
			items = []any{object[key]}
		}
		require.NotEmpty(t, items)
		for _, item := range items {
			assert.Equal(t, map[string]any{}, item.(map[string]any)["links"], target)
		}
	}
	_, object := r.object("ann", "/api/3/webhooks/"+id)
	assert.Equal(t, []any{}, object["webhook"].(map[string]any)["links"])
}

func TestCollectionsOfTheApps(t *testing.T) {
	r := newHarness(t)
	names := func(target, key, name string) (all []string, total string) {
		status, object := r.object("ann", target)
		require.Equal(t, 200, status)
		for _, item := range object[key].([]any) {
			all = append(all, item.(map[string]any)[name].(string))
		}
		return all, object["meta"].(map[string]any)["total"].(string)
	}
	for _, c := range []struct {
		query, key, name string
		want             []string
		total            string
	}{
		{"fields", "fields", "title", []string{"City", "Colours", "Born"}, "3"},
		{"fields?limit=2", "fields", "title", []string{"City", "Colours"}, "3"},
		{"fields?limit=2&offset=2", "fields", "title", []string{"Born"}, "3"},
		{"fields?offset=9", "fields", "title", nil, "3"},
		{"fields?filters[name]=Born", "fields", "title", []string{"Born"}, "1"},
		{"fields?orders[ordernum]=ASC&search=x&filters[type]=x", "fields", "title", []string{"City", "Colours", "Born"}, "3"},
		{"campaigns", "campaigns", "name", []string{"January newsletter", "Offers"}, "2"},
		{"campaigns?limit=1&offset=1", "campaigns", "name", []string{"Offers"}, "2"},
		{"campaigns?filters[name]=Offers", "campaigns", "name", []string{"Offers"}, "1"},
		{"lists?filters[name]=Offers", "lists", "name", []string{"Offers"}, "1"},
	} {
		got, total := names("/api/3/"+c.query, c.key, c.name)
		assert.Equal(t, c.want, got, c.query)
		assert.Equal(t, c.total, total, c.query)
	}

	t.Run("without the options they are empty", func(t *testing.T) {
		r := newHarness(t, func(o *Options) { o.Lists, o.Fields, o.Campaigns = nil, nil, nil })
		for _, key := range []string{"lists", "fields", "campaigns"} {
			status, object := r.object("ann", "/api/3/"+key)
			assert.Equal(t, 200, status)
			assert.Equal(t, []any{}, object[key])
			assert.Equal(t, map[string]any{"total": "0"}, object["meta"])
			status, _ = r.object("ann", "/api/3/"+key+"/7")
			assert.Equal(t, 404, status)
		}
	})

	t.Run("each account has its own", func(t *testing.T) {
		r := newHarness(t, func(o *Options) {
			o.Fields = func(_ context.Context, account string) ([]Field, error) {
				return []Field{{ID: account, Title: account}}, nil
			}
			o.Campaigns = func(_ context.Context, account string) ([]Campaign, error) {
				return []Campaign{{ID: account, Name: account}}, nil
			}
		})
		for _, key := range []string{"fields", "campaigns"} {
			for who, account := range map[string]string{"ann": "acme", "eve": "evil"} {
				_, object := r.object(who, "/api/3/"+key)
				assert.Equal(t, account, object[key].([]any)[0].(map[string]any)["id"])
				status, _ := r.object(who, "/api/3/"+key+"/"+account)
				assert.Equal(t, 200, status)
			}
			status, _ := r.object("eve", "/api/3/"+key+"/acme")
			assert.Equal(t, 404, status)
		}
	})

	t.Run("a wrong key is refused", func(t *testing.T) {
		for _, target := range []string{"fields", "campaigns", "lists", "users/me", "fields/7", "campaigns/34", "fields/", "lists/12"} {
			for _, key := range []string{"", "wrong"} {
				status, object := r.object(key, "/api/3/"+target)
				assert.Equal(t, 403, status, target)
				assert.NotEmpty(t, object["message"])
			}
		}
	})

	t.Run("a fault of the app's is one of the server's", func(t *testing.T) {
		r := newHarness(t, func(o *Options) {
			o.Fields = func(context.Context, string) ([]Field, error) { return nil, errors.New("no database") }
			o.Campaigns = func(context.Context, string) ([]Campaign, error) { panic("a bug") }
		})
		for _, target := range []string{"fields", "fields/7", "campaigns", "campaigns/34"} {
			status, object := r.object("ann", "/api/3/"+target)
			assert.Equal(t, 500, status, target)
			assert.Equal(t, map[string]any{"message": account.SomethingWrong}, object)
		}
	})
}

// What the newer API prints as a time is taken as one, whether or not a client
// encodes the "+".
func TestTimesThatTheAPIPrintsAreFilters(t *testing.T) {
	r := newHarness(t)
	r.put(nil)
	r.emit("e1")
	_, object := r.object("ann", "/api/3/listhook/deliveries")
	created := object["deliveries"].([]any)[0].(map[string]any)["created"].(string)
	require.Contains(t, created, "+00:00")
	for _, since := range []string{created, url.QueryEscape(created), strings.Replace(created, "+00:00", "Z", 1)} {
		status, object := r.object("ann", "/api/3/listhook/deliveries?filters[since]="+since)
		require.Equal(t, 200, status, since)
		assert.Len(t, object["deliveries"], 1)
		status, object = r.object("ann", "/api/3/listhook/deliveries?filters[until]="+since)
		require.Equal(t, 200, status, since)
		assert.Empty(t, object["deliveries"])
	}
}

func TestUnknownFiltersAreRefusedWhereTheyAreOurs(t *testing.T) {
	r := newHarness(t)
	r.put(nil)
	for target, field := range map[string]string{
		"deliveries?filters[status]=failed":                      "filters[status]",
		"deliveries?filters%5Bstatus%5D=failed":                  "filters[status]",
		"deliveries?filter[state]=failed":                        "filter[state]",
		"deliveries?state=failed":                                "state",
		"deliveries?offset=20":                                   "offset",
		"deliveries?filters[state]=failed&filters[state]=":       "filters[state]",
		"webhooks?filters[list]=12":                              "filters[list]",
		"webhooks?filters[state]=":                               "filters[state]",
		"webhooks?after=1":                                       "after",
		"webhooks?" + strings.Repeat("x", 100) + "=1":            strings.Repeat("x", 60) + "…",
		"deliveries?limit=5&filters[type]=open&filters[form]=12": "filters[form]",
	} {
		status, object := r.object("ann", "/api/3/listhook/"+target)
		assert.Equal(t, 422, status, target)
		fault := object["errors"].([]any)[0].(map[string]any)
		assert.Equal(t, "field_invalid", fault["code"])
		assert.Equal(t, map[string]any{"pointer": "/data/attributes/" + field}, fault["source"], target)
	}
	for _, target := range []string{
		"webhooks?filters[status]=1&orders[name]=ASC&api_output=json", "lists?filters[x]=1", "listhook/webhooks?limit=1&offset=0",
	} {
		status, _ := r.object("ann", "/api/3/"+target)
		assert.Equal(t, 200, status, target)
	}
	status, _ := r.object("ann", "/api/3/listhook/deliveries?filters[state]=%zz")
	assert.Equal(t, 422, status, "there is no such state")
}

func TestV1NamesListsAndTheAccount(t *testing.T) {
	r := newHarness(t)
	newsletter := map[string]any{"id": "12", "name": "Newsletter"}
	rows := func(query string) (all []any) {
		reply := r.v1("list_list", query, "")
		require.EqualValues(t, 1, reply["result_code"], reply)
		for _, key := range []string{"0", "1"} {
			if row, ok := reply[key]; ok {
				all = append(all, row)
			}
		}
		return all
	}
	assert.Len(t, rows("&ids=all"), 2)
	assert.Len(t, rows(""), 2)
	assert.Equal(t, []any{newsletter}, rows("&ids=12,99"))
	assert.Equal(t, []any{newsletter}, rows("&filters[name]=Newsletter&full=1&page=1"))
	assert.Empty(t, rows("&ids=99"))

	list := r.v1("list_view", "&id=12", "")
	assert.Equal(t, "Newsletter", list["name"])
	assert.EqualValues(t, 1, list["result_code"])
	assert.Equal(t, "Failed: id names no list of the account", r.v1("list_view", "&id=66", "")["result_message"])
	assert.Equal(t, "Failed: id is missing", r.v1("list_view", "", "")["result_message"])

	account := r.v1("account_view", "", "")
	assert.Equal(t, "acme", account["account"])
	assert.Equal(t, "ann@example.com", account["email"])

	for action, root := range map[string]string{"list_list": "list_list", "list_view": "list_view", "account_view": "account_view"} {
		got := r.rawV1("ann", "GET", "&id=12&api_action="+action, "", "").Body.Bytes()
		var document struct {
			XMLName xml.Name
			Code    string `xml:"result_code"`
		}
		require.NoError(t, xml.Unmarshal(got, &document))
		assert.Equal(t, root, document.XMLName.Local)
		assert.Equal(t, "1", document.Code)
		assert.Contains(t, r.rawV1("ann", "GET", "&id=12&api_output=serialize&api_action="+action, "", "").Body.String(),
			`s:11:"result_code";i:1;`)
		assert.Contains(t, r.rawV1("wrong", "GET", "&id=12&api_output=json&api_action="+action, "", "").Body.String(), `"result_code":0`)
	}

	t.Run("of which an app may have none", func(t *testing.T) {
		r := newHarness(t, func(o *Options) { o.Lists = nil })
		assert.EqualValues(t, 1, r.v1("list_list", "&ids=all", "")["result_code"])
		assert.EqualValues(t, 0, r.v1("list_view", "&id=12", "")["result_code"])
	})
}

// Every route of the APIs takes slashes at its end, and more than one between.
func TestSlashesTooManyAreTaken(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	d := r.emit("e1")
	for _, route := range v3.Routes() {
		path := "/api/3/" + route.Path
		switch {
		case strings.Contains(path, "deliveries/"):
			path = strings.Replace(path, "{id}", d.ID, 1)
		case strings.Contains(path, "webhooks/"):
			path = strings.Replace(path, "{id}", w.ID, 1)
		default:
			path = strings.Replace(path, "{id}", "12", 1)
		}
		want := r.call("bob", route.Method, path, "").Code // who may only view changes nothing
		for _, same := range []string{path + "/", path + "//", "/" + path, strings.Replace(path, "/3/", "/3//", 1)} {
			assert.Equal(t, want, r.call("bob", route.Method, same, "").Code, "%s %s", route.Method, same)
		}
	}
	assert.Contains(t, r.rawV1("ann", "GET", "", "", "").Body.String(), "api_action is missing")
	for _, path := range []string{"/admin/api.php/", "//admin/api.php"} {
		req := httptest.NewRequestWithContext(t.Context(), "GET", "http://example.com"+path+"?api_key=ann&api_action=user_me&api_output=json", nil)
		assert.Contains(t, r.do(req).Body.String(), `"result_code":1`, path)
	}
	assert.Equal(t, 200, r.call("ann", "GET", "/api/3/webhooks/", "").Code)
	assert.Equal(t, 405, r.call("ann", "DELETE", "/api/3/webhooks/", "").Code, "nothing is deleted by an id that is missing")
	assert.Len(t, r.all(), 1)
}

func TestUnknownPathsOfTheAPIsAnswerAsTheAPIs(t *testing.T) {
	r := newHarness(t)
	for _, path := range []string{"/api", "/api/", "/api/3", "/api/3/", "/api/2/webhooks", "/api/3/contacts", "/api/3/webhooks/1/2", "/api//x", "/api/../api/x", "/api/3/listhook/x"} {
		status, object := r.object("ann", path)
		assert.Equal(t, 404, status, path)
		assert.NotEmpty(t, object["message"])
	}
	for _, path := range []string{"/admin", "/admin/", "/admin/x.php", "/admin/api.php/x"} {
		req := httptest.NewRequestWithContext(t.Context(), "GET", "http://example.com"+path+"?api_output=json", nil)
		got := r.do(req)
		assert.Equal(t, 404, got.Code, path)
		assert.JSONEq(t, `{"result_code":0,"result_message":"Failed: There is nothing but admin/api.php","result_output":"json"}`, got.Body.String())
	}
	for path, contentType := range map[string]string{"/administration": "text/html", "/apis": "text/html", "/admin/x": "text/xml"} {
		assert.Contains(t, r.as("ann", path, nil).Header().Get("Content-Type"), contentType, path)
	}

	t.Run("and a fault here too", func(t *testing.T) {
		r := newHarness(t, func(o *Options) { o.Key = func(context.Context, string) (Access, error) { panic("a bug") } })
		status, object := r.object("ann", "/api/3/lists")
		assert.Equal(t, 500, status)
		assert.Equal(t, map[string]any{"message": account.SomethingWrong}, object)
		got := r.rawV1("ann", "GET", "&api_output=json", "", "")
		assert.Equal(t, 500, got.Code)
		assert.Contains(t, got.Body.String(), `"result_code":0`)
	})
}

func TestTheAPIsApartFromThePage(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	var err error
	r.Handler, err = APIs(r.Dispatcher, &Options{Key: func(_ context.Context, key string) (Access, error) { return people[key], nil }})
	require.NoError(t, err)
	for _, prefix := range []string{"", "/app", "/api/hooks", "/admin", "/api"} {
		for path, status := range map[string]int{
			"/api/3/webhooks/" + w.ID: 200, "/api/3/webhooks/": 200, "/api/3/contacts": 404, "/api/3": 404,
		} {
			assert.Equal(t, status, r.call("ann", "GET", prefix+path, "").Code, prefix+path)
		}
		req := httptest.NewRequestWithContext(t.Context(), "GET", prefix+"/admin/api.php?api_key=ann&api_action=webhook_view&api_output=json&id="+w.ID, nil)
		assert.Contains(t, r.do(req).Body.String(), `"result_code":1`, prefix)
	}
	for _, path := range []string{"/", "/add", "/webhooks/" + w.ID, "/assets/page.css", "/api", "/x/api/"} {
		status, object := r.object("ann", path)
		assert.Equal(t, 404, status, path)
		assert.NotEmpty(t, object["message"])
	}
	_, err = APIs(nil, nil)
	assert.Equal(t, &webhook.InvalidError{Field: "dispatcher", Reason: "is nil"}, err)
	_, err = APIs(r.Dispatcher, &Options{Rate: -1})
	assert.Error(t, err)
}
