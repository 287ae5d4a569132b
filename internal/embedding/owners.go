package embedding

import (
	"context"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage"
)

// tellOwners returns hooks that hand mails to owners of webhooks to the app's outgoing
// mail. languageOf returns the language of an account's owner.
func tellOwners(mail func(account, subject, text string), languageOf func(account string) string) (webhook.Hooks, error) {
	return manage.NotifyOwners(webhook.Hooks{}, &manage.NotifyOptions{
		Send: func(n manage.Notice) { mail(n.Webhook.Account, n.Subject, n.Text) },
		Owner: func(ctx context.Context, account string) (manage.Owner, error) {
			return manage.Owner{
				Locale: languageOf(account),
				Page:   "https://app.example.com/webhooks/",
			}, nil
		},
	})
}
