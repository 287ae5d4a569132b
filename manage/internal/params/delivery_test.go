package params

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/listhook/webhook"
)

func TestTheValuesOfADelivery(t *testing.T) {
	for body, want := range map[string]Params{
		"type=open&contact%5Bemail%5D=a+b": {{"type", "open"}, {"contact[email]", "a b"}},
		`{"type":"open","contact":{"email":"a","tags":["x","y"],"fields":{}},"n":1.50,"b":true,"campaign":null,"lists":[]}`: {
			{"type", "open"}, {"contact.email", "a"}, {"contact.tags.0", "x"}, {"contact.tags.1", "y"}, {"contact.fields", "{}"},
			{"n", "1.50"}, {"b", "true"}, {"campaign", "null"}, {"lists", "[]"},
		},
		`{"type":`: nil, "{}": nil, "": nil, "%zz": nil,
	} {
		assert.Equal(t, want, OfDelivery([]byte(body)), body)
	}
	assert.Contains(t, OfDelivery(webhook.SampleBody(webhook.TypeClick, webhook.FormatJSON)), Param{"contact.fields.7", "test value"})
}
