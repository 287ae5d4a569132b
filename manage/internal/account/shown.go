package account

import (
	"strings"
	"time"

	"github.com/listhook/webhook"
)

// Shown returns w as the caller may see it: a password in its URL, and the
// values of its headers, are for those who may edit it.
func (c *Caller) Shown(w webhook.Webhook) webhook.Webhook {
	if c.Manage {
		return w
	}
	w.URL = HidePassword(w.URL)
	headers := make(map[string]string, len(w.Headers))
	for name := range w.Headers {
		headers[name] = ""
	}
	w.Headers = headers
	return w
}

// HidePassword returns a URL with dots instead of the password that it may hold.
// It looks at the text alone, so that one which is no URL by the rules of net/url
// does not show its password either.
func HidePassword(rawURL string) string {
	start := strings.Index(rawURL, "://")
	if start < 0 {
		return rawURL
	}
	start += len("://")
	authority := rawURL[start:]
	if end := strings.IndexAny(authority, "/?#"); end >= 0 {
		authority = authority[:end]
	}
	at := strings.LastIndexByte(authority, '@')
	if at < 0 {
		return rawURL
	}
	colon := strings.IndexByte(authority[:at], ':')
	if colon < 0 {
		return rawURL
	}
	return rawURL[:start+colon+1] + "•••" + rawURL[start+at:]
}

// Held reports whether a webhook's deliveries wait although it is enabled.
func Held(w webhook.Webhook) bool { return w.Disabled == "" && w.HeldUntil.After(time.Now()) }
