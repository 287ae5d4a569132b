package page

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestDistancesInTimeAreSaidRoughly(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "just now", -4 * time.Second: "just now", -time.Minute: "1 minute ago", -59 * time.Second: "59 seconds ago",
		-47 * time.Hour: "47 hours ago", -72 * time.Hour: "3 days ago", 90 * time.Minute: "in 1 hour", 400 * time.Millisecond: "now",
	} {
		assert.Equal(t, want, ago(d), d)
	}
}
