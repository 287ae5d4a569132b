package webhook

import "github.com/listhook/webhook/internal/validtext"

// A CustomerAccount is what bodies of the current format and in JSON say of the
// account that an event is for: receivers written for ActiveCampaign index these keys
// without asking, so they are always sent, even empty. Each has at most 255 bytes.
type CustomerAccount struct {
	OrgName string `form:"orgname" json:"orgname"`
	Name    string `form:"customer_acct_name" json:"customer_acct_name"` // contact[customer_acct_name] too
	ID      string `form:"customer_acct_id" json:"customer_acct_id"`
}

// maxCustomer is the most bytes that a body has for a CustomerAccount: each of
// three texts escaped, by JSON six times as long, and one of them twice.
const maxCustomer = 4 * 6 * validtext.MaxBytes

// eventLimit is the most bytes that the body of an event may have before
// Options.CustomerAccount is asked.
func (o *Options) eventLimit() int {
	if o.CustomerAccount == nil {
		return o.BodyLimit
	}
	return o.BodyLimit - maxCustomer
}
