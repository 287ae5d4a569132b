package page

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/listhook/webhook"
)

var typedNumber = regexp.MustCompile(`^[0-9]{1,9}([.,][0-9]{1,9})?$`)

// readRateLimit takes over a limit that was typed, with a comma or a point; nothing is no
// limit.
func readRateLimit(values url.Values, w *webhook.Webhook) error {
	typed := strings.TrimSpace(values.Get("rate_limit"))
	switch {
	case !values.Has("rate_limit"):
		return nil
	case typed == "":
		w.RateLimit = 0
		return nil
	case !typedNumber.MatchString(typed):
		return &webhook.InvalidError{Field: "RateLimit", Reason: "is no number such as 5 or 0.5"}
	}
	limit, err := strconv.ParseFloat(strings.ReplaceAll(typed, ",", "."), 64)
	w.RateLimit = limit
	return err
}

// rateLimitText is a limit as it is typed; "" is none.
func rateLimitText(limit float64) string {
	if limit == 0 {
		return ""
	}
	return strconv.FormatFloat(limit, 'f', -1, 64)
}

// rateLimit says what limit a webhook has.
func (p *pageRequest) rateLimit(w webhook.Webhook) string {
	if w.RateLimit == 0 {
		return p.lang.Text("no limit")
	}
	return p.lang.Text("at most {n}", "n", p.lang.Decimal(w.RateLimit))
}
