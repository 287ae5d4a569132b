package webhook

import (
	"context"
	"errors"
	"fmt"
)

// A CustomerAccount is what bodies of the current format say of the account that
// an event is for: receivers written for ActiveCampaign index these keys without
// asking, so they are always sent, even empty. Each has at most 255 bytes.
type CustomerAccount struct {
	OrgName string `form:"orgname"`
	Name    string `form:"customer_acct_name"` // contact[customer_acct_name] too
	ID      string `form:"customer_acct_id"`
}

// maxCustomer is the most bytes that a body has for a CustomerAccount: each of
// three texts escaped, and one of them twice.
const maxCustomer = 4 * 3 * maxIDLen

// eventLimit is the most bytes that the body of an event may have before
// Options.CustomerAccount is asked.
func (o *Options) eventLimit() int {
	if o.CustomerAccount == nil {
		return o.BodyLimit
	}
	return o.BodyLimit - maxCustomer
}

// current reports whether t gets the format that names the customer's account.
func (t *target) current() bool { return t.Format == FormatCurrent }

// customerAccount asks the app what bodies say of an account. If it fails the
// keys are sent empty, since the event matters more.
func (d *Dispatcher) customerAccount(ctx context.Context, account string) (c CustomerAccount) {
	if d.opts.CustomerAccount == nil {
		return CustomerAccount{}
	}
	err := errors.New("it never returned")
	func() {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("it panicked: %v", p)
			}
		}()
		c, err = d.opts.CustomerAccount(ctx, account)
	}()
	if err == nil && max(len(c.OrgName), len(c.Name), len(c.ID)) > maxIDLen {
		err = fmt.Errorf("it returned a text of more than %d bytes", maxIDLen)
	}
	if err != nil {
		if ctx.Err() == nil {
			d.notify.logError("Options.CustomerAccount", err)
		}
		return CustomerAccount{}
	}
	return c
}
