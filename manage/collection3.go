package manage

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/listhook/webhook"
)

// The collections of the app's that clients of the newer API ask for: to let
// people pick a list or a campaign, or only to test the key. Typed clients read
// links as an object.

// Field is a custom field of the app's subscribers.
type Field struct {
	ID    string // as in webhook.Subscriber.Fields
	Title string
	Type  string // as ActiveCampaign has it: text, textarea, date, dropdown, …; "": text
}

// Campaign is a campaign of the app's.
type Campaign struct {
	ID     string // as in webhook.Campaign
	Name   string
	Type   webhook.CampaignType   // "": webhook.CampaignSingle
	Status webhook.CampaignStatus // "": webhook.CampaignDraft
}

// links3 are the links of what has none here: an object.
type links3 struct{}

type list3 struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Links links3 `json:"links"`
}

type field3 struct {
	ID       string   `json:"id"`
	Title    string   `json:"title"`
	Descript string   `json:"descript"`
	Type     string   `json:"type"`
	Required string   `json:"isrequired"`
	Visible  string   `json:"visible"`
	Order    string   `json:"ordernum"`
	Options  []string `json:"options"`
	Rels     []string `json:"relations"`
	Links    links3   `json:"links"`
}

type campaign3 struct {
	ID     string                 `json:"id"`
	Name   string                 `json:"name"`
	Type   webhook.CampaignType   `json:"type"`
	Status webhook.CampaignStatus `json:"status"`
	Links  links3                 `json:"links"`
}

type user3 struct {
	Username  string `json:"username"`
	FirstName string `json:"firstName"`
	LastName  string `json:"lastName"`
	Email     string `json:"email"`
	Links     links3 `json:"links"`
	ID        string `json:"id"`
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

func (a *account) allLists3(ctx context.Context) ([]list3, error) {
	lists, _, err := a.lists(ctx)
	all := make([]list3, len(lists))
	for i, l := range lists {
		all[i] = list3{ID: l.ID, Name: l.Name}
	}
	return all, err
}

func (a *account) lists3(ctx context.Context, r *http.Request) (int, any, error) {
	limit, offset, err := page3(r)
	if err != nil {
		return 0, nil, err
	}
	all, err := a.allLists3(ctx)
	found := called(all, r, func(l list3) string { return l.Name })
	return http.StatusOK, struct {
		Lists []list3 `json:"lists"`
		Meta  total3  `json:"meta"`
	}{slice3(found, limit, offset), totalOf(found)}, err
}

func (a *account) listView3(ctx context.Context, r *http.Request) (int, any, error) {
	all, err := a.allLists3(ctx)
	list, err := pick3(all, err, "List", r, func(l list3) string { return l.ID })
	return http.StatusOK, struct {
		List list3 `json:"list"`
	}{list}, err
}

// pick3 returns the one of items that a request's path names.
func pick3[T any](items []T, err error, kind string, r *http.Request, id func(T) string) (found T, _ error) {
	if err != nil {
		return found, err
	}
	for _, item := range items {
		if id(item) == r.PathValue("id") {
			return item, nil
		}
	}
	return found, notFound3{kind, r.PathValue("id")}
}

func (a *account) allFields3(ctx context.Context) ([]field3, error) {
	if a.opts.Fields == nil {
		return nil, nil
	}
	fields, err := a.opts.Fields(ctx, a.Account)
	if err != nil {
		return nil, fmt.Errorf("webhook: Options.Fields: %w", err)
	}
	all := make([]field3, len(fields))
	for i, f := range fields {
		all[i] = field3{
			ID: f.ID, Title: f.Title, Type: cmp.Or(f.Type, "text"), Required: "0", Visible: "1", Order: strconv.Itoa(i + 1),
			Options: []string{}, Rels: []string{},
		}
	}
	return all, nil
}

func (a *account) fields3(ctx context.Context, r *http.Request) (int, any, error) {
	limit, offset, err := page3(r)
	if err != nil {
		return 0, nil, err
	}
	all, err := a.allFields3(ctx)
	found := called(all, r, func(f field3) string { return f.Title })
	return http.StatusOK, struct {
		Options []string `json:"fieldOptions"`
		Rels    []string `json:"fieldRels"`
		Fields  []field3 `json:"fields"`
		Meta    total3   `json:"meta"`
	}{[]string{}, []string{}, slice3(found, limit, offset), totalOf(found)}, err
}

func (a *account) fieldView3(ctx context.Context, r *http.Request) (int, any, error) {
	all, err := a.allFields3(ctx)
	field, err := pick3(all, err, "Field", r, func(f field3) string { return f.ID })
	return http.StatusOK, struct {
		Field field3 `json:"field"`
	}{field}, err
}

func (a *account) allCampaigns3(ctx context.Context) ([]campaign3, error) {
	if a.opts.Campaigns == nil {
		return nil, nil
	}
	campaigns, err := a.opts.Campaigns(ctx, a.Account)
	if err != nil {
		return nil, fmt.Errorf("webhook: Options.Campaigns: %w", err)
	}
	all := make([]campaign3, len(campaigns))
	for i, c := range campaigns {
		all[i] = campaign3{
			ID: c.ID, Name: c.Name,
			Type: cmp.Or(c.Type, webhook.CampaignSingle), Status: cmp.Or(c.Status, webhook.CampaignDraft),
		}
	}
	return all, nil
}

func (a *account) campaigns3(ctx context.Context, r *http.Request) (int, any, error) {
	limit, offset, err := page3(r)
	if err != nil {
		return 0, nil, err
	}
	all, err := a.allCampaigns3(ctx)
	found := called(all, r, func(c campaign3) string { return c.Name })
	return http.StatusOK, struct {
		Campaigns []campaign3 `json:"campaigns"`
		Meta      total3      `json:"meta"`
	}{slice3(found, limit, offset), totalOf(found)}, err
}

func (a *account) campaignView3(ctx context.Context, r *http.Request) (int, any, error) {
	all, err := a.allCampaigns3(ctx)
	campaign, err := pick3(all, err, "Campaign", r, func(c campaign3) string { return c.ID })
	return http.StatusOK, struct {
		Campaign campaign3 `json:"campaign"`
	}{campaign}, err
}

func (a *account) userMe3(context.Context, *http.Request) (int, any, error) {
	first, last, _ := strings.Cut(a.User, " ")
	return http.StatusOK, struct {
		User user3 `json:"user"`
	}{user3{Username: a.User, FirstName: first, LastName: last, Email: emailOf(a.User), ID: "1"}}, nil
}
