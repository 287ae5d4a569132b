package account

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
