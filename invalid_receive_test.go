package webhook_test

import (
	"errors"
	"net/http"
	"strings"

	"github.com/listhook/webhook"
)

func invalidReceiveOptions() (inputs []invalidInput) {
	for _, c := range []struct {
		name, field string
		opts        *webhook.ReceiveOptions
	}{
		{"no options", "Secrets", nil},
		{"no secrets", "Secrets", &webhook.ReceiveOptions{}},
		{"a short secret", "Secrets", &webhook.ReceiveOptions{Secrets: []webhook.Secret{{Key: "whsec_s3cret"}}}},
		{"a negative Tolerance", "Tolerance", &webhook.ReceiveOptions{Unsigned: true, Tolerance: -1}},
		{"a negative BodyLimit", "BodyLimit", &webhook.ReceiveOptions{Unsigned: true, BodyLimit: -1}},
	} {
		inputs = append(inputs, invalidInput{c.name + " in Verify", c.field, func(*harness) error {
			return webhook.Verify(http.Header{}, nil, c.opts)
		}}, invalidInput{c.name + " in ParseRequest", c.field, func(r *harness) error {
			req, err := http.NewRequestWithContext(r.ctx, http.MethodPost, "https://example.com/s3cret", strings.NewReader("type=open"))
			if err != nil {
				return errors.New("no request")
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			_, err = webhook.ParseRequest(req, c.opts)
			return err
		}})
	}
	return inputs
}
