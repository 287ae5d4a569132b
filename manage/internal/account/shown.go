package account

import (
	"net/url"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

// HidePassword returns a URL without the password that it may hold.
func HidePassword(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.User == nil {
		return rawURL
	}
	if _, has := u.User.Password(); has {
		u.User = url.UserPassword(u.User.Username(), "•••")
		return strings.Replace(u.String(), url.QueryEscape("•••"), "•••", 1)
	}
	return rawURL
}

// Held reports whether a webhook's deliveries wait although it is on.
func Held(w webhook.Webhook) bool { return w.Off == "" && w.Hold.After(time.Now()) }
