package account

import (
	"context"
	"fmt"
	"slices"

	"github.com/listhook/webhook"
)

// A List is a list of the app's that webhooks can be tied to.
type List struct{ ID, Name string }

// A Field is a custom field of the app's subscribers.
type Field struct{ ID, Title, Type string }

// A Campaign is a campaign of the app's.
type Campaign struct {
	ID, Name string
	Type     webhook.CampaignType
	Status   webhook.CampaignStatus
}

// Lists returns the account's lists, and whether the app names them at all.
func (c *Caller) Lists(ctx context.Context) (lists []List, known bool, err error) {
	lists, err = ask(ctx, c, "Lists", c.Config.Lists)
	allowed := c.Limits.listFilter()
	lists = slices.DeleteFunc(slices.Clone(lists), func(l List) bool { return !allowed(l.ID) })
	return lists, c.Config.Lists != nil, err
}

// Fields returns the custom fields of the account's subscribers.
func (c *Caller) Fields(ctx context.Context) ([]Field, error) {
	return ask(ctx, c, "Fields", c.Config.Fields)
}

// Campaigns returns the account's campaigns.
func (c *Caller) Campaigns(ctx context.Context) ([]Campaign, error) {
	return ask(ctx, c, "Campaigns", c.Config.Campaigns)
}

// ask calls an option of the app's, if it is set, for the account.
func ask[T any](ctx context.Context, c *Caller, option string, f func(context.Context, string) ([]T, error)) ([]T, error) {
	if f == nil {
		return nil, nil
	}
	all, err := f(ctx, c.Account)
	if err != nil {
		return nil, fmt.Errorf("webhook: Options.%s: %w", option, err)
	}
	return all, nil
}

// CheckList refuses a list that the account does not have.
func (c *Caller) CheckList(ctx context.Context, id string) error {
	lists, known, err := c.Lists(ctx)
	if err != nil || !known || id == "" || HasList(lists, id) {
		return err
	}
	return &webhook.InvalidError{Field: "List", Reason: "is none of the account's lists"}
}

// HasList reports whether a list is among lists.
func HasList(lists []List, id string) bool {
	return slices.ContainsFunc(lists, func(l List) bool { return l.ID == id })
}
