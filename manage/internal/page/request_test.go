package page

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/listhook/webhook"
)

func TestASentenceNamesTheFieldAsThePageDoes(t *testing.T) {
	for field, want := range map[string]string{
		"URL":      "URL is too long.",
		"Body":     "The body is too long.",
		"Disabled": "The reason is too long.",
	} {
		assert.Equal(t, want, sentence(&webhook.InvalidError{Field: field, Reason: "is too long"}))
	}
}
