package diagnose

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestRetryAfterIsSecondsOrADate(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":        0,
		"120":     2 * time.Minute,
		" 120 ":   2 * time.Minute,
		"1.5":     1500 * time.Millisecond,
		"0":       0,
		"-1":      0,
		"NaN":     0,
		"Inf":     maxRetryAfter,
		"1e300":   maxRetryAfter,
		"soon":    0,
		"9999999": maxRetryAfter,
		now.Add(time.Hour).Format(http.TimeFormat):        time.Hour,
		now.Add(-time.Hour).Format(http.TimeFormat):       0,
		now.Add(1000 * time.Hour).Format(http.TimeFormat): maxRetryAfter,
	} {
		assert.Equal(t, want, RetryAfter(http.Header{"Retry-After": {value}}, now), value)
	}
	assert.Zero(t, RetryAfter(nil, now))
}
