package manage

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

func TestAnAccountsCallsAreBounded(t *testing.T) {
	r := rates{perSecond: 2}
	now := time.Now()
	for range 2 * reserve {
		ok, _ := r.take("acme", now)
		require.True(t, ok, "the reserve")
	}
	ok, seconds := r.take("acme", now)
	assert.False(t, ok)
	assert.Equal(t, 1, seconds)
	ok, _ = r.take("evil", now)
	assert.True(t, ok, "each account has its own")
	ok, _ = r.take("acme", now.Add(500*time.Millisecond))
	assert.True(t, ok, "one came back")
	ok, _ = r.take("acme", now.Add(500*time.Millisecond))
	assert.False(t, ok)

	r.forget(now.Add(time.Minute))
	assert.Empty(t, r.buckets, "full buckets say nothing")
}

func TestOptionsOutOfRangeAreRefused(t *testing.T) {
	d := newRig(t).Dispatcher
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

func TestDistancesInTimeAreSaidRoughly(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "just now", -4 * time.Second: "just now", -time.Minute: "1 minute ago", -59 * time.Second: "59 seconds ago",
		-47 * time.Hour: "47 hours ago", -72 * time.Hour: "3 days ago", 90 * time.Minute: "in 1 hour", 400 * time.Millisecond: "now",
	} {
		assert.Equal(t, want, ago(d), d)
	}
}

func TestSuccessIsNeverRoundedUpToAll(t *testing.T) {
	for _, c := range []struct {
		delivered, failed, retried int
		want                       string
	}{
		{0, 0, 0, ""}, {5, 0, 0, "100%"}, {99_999, 1, 0, "99.9%"}, {999, 1, 0, "99.9%"}, {500, 1, 0, "99.8%"}, {97, 2, 1, "97%"}, {0, 0, 3, "0%"},
	} {
		assert.Equal(t, c.want, tally{Delivered: c.delivered, Failed: c.failed, Retried: c.retried}.Success())
	}
}
