package v3

import (
	"cmp"
	"context"
	"net/http"
	"strconv"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
)

// The collections of the app's, which clients ask for to let people pick a list
// or a campaign, or only to test the key. Typed clients read links as an object.

// linksJSON are the links of what has none here: an object.
type linksJSON struct{}

type listJSON struct {
	ID    string    `json:"id"`
	Name  string    `json:"name"`
	Links linksJSON `json:"links"`
}

type fieldJSON struct {
	ID       string    `json:"id"`
	Title    string    `json:"title"`
	Descript string    `json:"descript"`
	Type     string    `json:"type"`
	Required string    `json:"isrequired"`
	Visible  string    `json:"visible"`
	Order    string    `json:"ordernum"`
	Options  []string  `json:"options"`
	Rels     []string  `json:"relations"`
	Links    linksJSON `json:"links"`
}

type campaignJSON struct {
	ID     string                 `json:"id"`
	Name   string                 `json:"name"`
	Type   webhook.CampaignType   `json:"type"`
	Status webhook.CampaignStatus `json:"status"`
	Links  linksJSON              `json:"links"`
}

type userJSON struct {
	Username  string    `json:"username"`
	FirstName string    `json:"firstName"`
	LastName  string    `json:"lastName"`
	Email     string    `json:"email"`
	Links     linksJSON `json:"links"`
	ID        string    `json:"id"`
}

// called returns those of items that a request's filter names, or all.
func called[T any](items []T, r *http.Request, name func(T) string) []T {
	want := r.URL.Query().Get("filters[name]")
	found := []T{}
	for _, item := range items {
		if want == "" || name(item) == want {
			found = append(found, item)
		}
	}
	return found
}

func allLists(ctx context.Context, c *account.Caller) ([]listJSON, error) {
	lists, _, err := c.Lists(ctx)
	all := make([]listJSON, len(lists))
	for i, l := range lists {
		all[i] = listJSON{ID: l.ID, Name: l.Name}
	}
	return all, err
}

func listLists(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	var f faults
	limit, offset := readPage(r, &f)
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	all, err := allLists(ctx, c)
	found := called(all, r, func(l listJSON) string { return l.Name })
	return http.StatusOK, struct {
		Lists []listJSON `json:"lists"`
		Meta  totalJSON  `json:"meta"`
	}{pageOf(found, limit, offset), totalOf(found)}, err
}

func viewList(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	all, err := allLists(ctx, c)
	list, err := pick(all, err, "List", r, func(l listJSON) string { return l.ID })
	return http.StatusOK, struct {
		List listJSON `json:"list"`
	}{list}, err
}

// pick returns the one of items that a request's path names.
func pick[T any](items []T, err error, kind string, r *http.Request, id func(T) string) (found T, _ error) {
	if err != nil {
		return found, err
	}
	for _, item := range items {
		if id(item) == r.PathValue("id") {
			return item, nil
		}
	}
	return found, notFound{kind, r.PathValue("id")}
}

func allFields(ctx context.Context, c *account.Caller) ([]fieldJSON, error) {
	fields, err := c.Fields(ctx)
	all := make([]fieldJSON, len(fields))
	for i, f := range fields {
		all[i] = fieldJSON{
			ID: f.ID, Title: f.Title, Type: cmp.Or(f.Type, "text"), Required: "0", Visible: "1", Order: strconv.Itoa(i + 1),
			Options: []string{}, Rels: []string{},
		}
	}
	return all, err
}

func listFields(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	var f faults
	limit, offset := readPage(r, &f)
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	all, err := allFields(ctx, c)
	found := called(all, r, func(f fieldJSON) string { return f.Title })
	return http.StatusOK, struct {
		Options []string    `json:"fieldOptions"`
		Rels    []string    `json:"fieldRels"`
		Fields  []fieldJSON `json:"fields"`
		Meta    totalJSON   `json:"meta"`
	}{[]string{}, []string{}, pageOf(found, limit, offset), totalOf(found)}, err
}

func viewField(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	all, err := allFields(ctx, c)
	field, err := pick(all, err, "Field", r, func(f fieldJSON) string { return f.ID })
	return http.StatusOK, struct {
		Field fieldJSON `json:"field"`
	}{field}, err
}

func allCampaigns(ctx context.Context, c *account.Caller) ([]campaignJSON, error) {
	campaigns, err := c.Campaigns(ctx)
	all := make([]campaignJSON, len(campaigns))
	for i, c := range campaigns {
		all[i] = campaignJSON{
			ID: c.ID, Name: c.Name,
			Type: cmp.Or(c.Type, webhook.CampaignSingle), Status: cmp.Or(c.Status, webhook.CampaignDraft),
		}
	}
	return all, err
}

func listCampaigns(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	var f faults
	limit, offset := readPage(r, &f)
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	all, err := allCampaigns(ctx, c)
	found := called(all, r, func(c campaignJSON) string { return c.Name })
	return http.StatusOK, struct {
		Campaigns []campaignJSON `json:"campaigns"`
		Meta      totalJSON      `json:"meta"`
	}{pageOf(found, limit, offset), totalOf(found)}, err
}

func viewCampaign(ctx context.Context, c *account.Caller, r *http.Request) (int, any, error) {
	all, err := allCampaigns(ctx, c)
	campaign, err := pick(all, err, "Campaign", r, func(c campaignJSON) string { return c.ID })
	return http.StatusOK, struct {
		Campaign campaignJSON `json:"campaign"`
	}{campaign}, err
}

func viewUser(_ context.Context, c *account.Caller, _ *http.Request) (int, any, error) {
	first, last := c.FirstAndLast()
	return http.StatusOK, struct {
		User userJSON `json:"user"`
	}{userJSON{Username: c.User, FirstName: first, LastName: last, Email: c.Email(), ID: "1"}}, nil
}
