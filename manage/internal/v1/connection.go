package v1

import (
	"context"
	"strconv"

	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/params"
)

// The older API's calls by which its clients test the connection and let people
// pick a list.

// listLists returns the app's lists, or those of ids.
func listLists(ctx context.Context, c *account.Caller, ps params.Params) (reply, string, error) {
	lists, _, err := c.Lists(ctx)
	if err != nil {
		return nil, "", err
	}
	ids, some := readIDs(ps)
	name := ps.First("filters[name]")
	var r reply
	for _, l := range lists {
		if (!some || ids[l.ID]) && (name == "" || name == l.Name) {
			r = append(r, replyField{strconv.Itoa(len(r)), listRow(l)})
		}
	}
	if len(r) == 0 {
		return r, "Success: there are no lists", nil
	}
	return r, "Success: Something is returned", nil
}

func listRow(l account.List) reply { return reply{{"id", l.ID}, {"name", l.Name}} }

func viewList(ctx context.Context, c *account.Caller, ps params.Params) (reply, string, error) {
	id, err := readID(ps)
	if err != nil {
		return nil, "", err
	}
	lists, _, err := c.Lists(ctx)
	if err != nil {
		return nil, "", err
	}
	for _, l := range lists {
		if l.ID == id {
			return listRow(l), "Success: Something is returned", nil
		}
	}
	return nil, "", mistake("id names no list of the account")
}

// viewAccount names the account.
func viewAccount(_ context.Context, c *account.Caller, _ params.Params) (reply, string, error) {
	r := reply{{"account", c.Account}, {"name", c.User}, {"email", c.Email()}}
	return r, "Success: Something is returned", nil
}

// viewUser names the user. The app tells of no number of the user's: the id is 1, as in the
// newer API.
func viewUser(_ context.Context, c *account.Caller, _ params.Params) (reply, string, error) {
	first, last := c.FirstAndLast()
	r := reply{{"id", "1"}, {"username", c.User}, {"first_name", first}, {"last_name", last}, {"email", c.Email()}}
	return r, "Success: Something is returned", nil
}
