package page

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/text"
)

// A new secret is shown at an address of its own, to which the page redirects
// after it was made: loading that again neither adds a webhook nor makes another
// secret. The address says since when it is good, and is signed with the secret,
// so that no process has to remember it and nobody can make one who does not
// know the secret already.

// secretShown is for how long the address of a new secret shows it.
const secretShown = 10 * time.Minute

// newSecret is a secret that is shown after it was made.
type newSecret struct {
	Webhook webhook.Webhook
	Key     string
	Added   bool // with its webhook
}

// addressOfNew returns the page that follows when a webhook was added, or its
// secret replaced.
func (p *pageRequest) addressOfNew(w webhook.Webhook, added bool) string {
	to := "webhooks/" + url.PathEscape(w.ID)
	query := url.Values{}
	if added {
		query.Set("done", "added")
	}
	if len(w.Secrets) > 0 {
		to += "/secret"
		made := strconv.FormatInt(p.now.Unix(), 10)
		query.Set("made", made)
		query.Set("proof", secretProof(w, made))
	}
	return to + "?" + query.Encode()
}

// secretProof signs the time at which a webhook's newest secret was made.
func secretProof(w webhook.Webhook, made string) string {
	mac := hmac.New(sha256.New, []byte(w.Secrets[0].Key))
	mac.Write([]byte("shown once\n" + w.ID + "\n" + made))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// showSecret shows a secret at the address that was made for it, and at any
// other, or later, the webhook's own page.
func (p *pageRequest) showSecret() error {
	w, err := p.Webhook(p.r.Context(), p.r.PathValue("id"))
	if err != nil {
		return err
	}
	query := p.r.URL.Query()
	made, err := strconv.ParseInt(query.Get("made"), 10, 64)
	age := p.now.Sub(time.Unix(made, 0))
	if err != nil || len(w.Secrets) == 0 || age < -time.Minute || age > secretShown ||
		!hmac.Equal([]byte(query.Get("proof")), []byte(secretProof(w, query.Get("made")))) {
		return p.toWebhook()
	}
	out := newSecret{Webhook: w, Key: w.Secrets[0].Key, Added: query.Get("done") == "added"}
	title := text.Message("New secret")
	if out.Added {
		title = "The webhook was added"
	}
	return p.render(http.StatusOK, "added", p.lang.Text(title), out)
}

// toWebhook leads from an address that only takes forms to the webhook's page:
// browsers ask for it when somebody goes back to it, or logs in meanwhile.
func (p *pageRequest) toWebhook() error {
	w, err := p.Webhook(p.r.Context(), p.r.PathValue("id"))
	if err != nil {
		return err
	}
	return p.goTo("webhooks/" + url.PathEscape(w.ID))
}

// toDelivery does so for a delivery.
func (p *pageRequest) toDelivery() error {
	d, err := p.Delivery(p.r.Context(), p.r.PathValue("id"))
	if err != nil {
		return err
	}
	return p.goTo("deliveries/" + url.PathEscape(d.ID))
}
