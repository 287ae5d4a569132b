package manage

import (
	"context"
	"strconv"
)

// The older API's calls by which its clients test the connection and let people
// pick a list.

// listList1 returns the app's lists, or those of ids.
func (a *account) listList1(ctx context.Context, ps params) (reply, string, error) {
	lists, _, err := a.lists(ctx)
	if err != nil {
		return nil, "", err
	}
	ids, some := ids1(ps)
	name := ps.first("filters[name]")
	var r reply
	for _, l := range lists {
		if (!some || ids[l.ID]) && (name == "" || name == l.Name) {
			r = append(r, replyField{strconv.Itoa(len(r)), listRow1(l)})
		}
	}
	if len(r) == 0 {
		return r, "Success: there are no lists", nil
	}
	return r, "Success: Something is returned", nil
}

func listRow1(l List) reply { return reply{{"id", l.ID}, {"name", l.Name}} }

func (a *account) listView1(ctx context.Context, ps params) (reply, string, error) {
	id, err := id1(ps)
	if err != nil {
		return nil, "", err
	}
	lists, _, err := a.lists(ctx)
	if err != nil {
		return nil, "", err
	}
	for _, l := range lists {
		if l.ID == id {
			return listRow1(l), "Success: Something is returned", nil
		}
	}
	return nil, "", mistake1("id names no list of the account")
}

// accountView1 names the account.
func (a *account) accountView1(context.Context, params) (reply, string, error) {
	r := reply{{"account", a.Account}, {"name", a.User}, {"email", emailOf(a.User)}}
	return r, "Success: Something is returned", nil
}
