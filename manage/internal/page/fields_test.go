package page

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/params"
)

func TestEveryFieldOfEveryEventIsExplained(t *testing.T) {
	used := map[string]bool{}
	for _, format := range webhook.Formats() {
		for _, kind := range webhook.EventTypes() {
			assert.NotEmpty(t, typeMeanings[kind], kind)
			for _, param := range params.OfDelivery(webhook.SampleBody(kind, format)) {
				meaning := meaningOf(param.Key)
				assert.NotEmpty(t, meaning, "%s of %s, %s", param.Key, kind, format)
				used[string(meaning)] = true
			}
		}
	}
	for path, meaning := range fieldMeanings {
		assert.True(t, used[string(meaning)], path)
	}
	assert.Empty(t, meaningOf("subscriber[secret]"))
}
