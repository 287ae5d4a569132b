package manage

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

func TestOptionsOutOfRangeAreRefused(t *testing.T) {
	d := newHarness(t).Dispatcher
	for field, opts := range map[string]*Options{
		"Options.MaxWebhooks":    {MaxWebhooks: -1},
		"Options.Rate":           {Rate: -1},
		"Options.TrustedOrigins": {TrustedOrigins: []string{"app.example.com"}},
	} {
		_, err := Handler(d, opts)
		var invalid *webhook.InvalidError
		require.ErrorAs(t, err, &invalid)
		assert.Equal(t, field, invalid.Field)
	}
	_, err := Handler(nil, nil)
	require.Error(t, err)
}
