package webhook_test

import (
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// What ParseRequest reads of the headers that bodies do not have.
func TestParseRequestReturnsTheSequenceAndTheTimeInMilliseconds(t *testing.T) {
	at := time.Date(2026, 3, 31, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, date     string
		sequence, time string
		want           time.Time
		wantSequence   int64
	}{
		{"both", "2026-03-31T11:00:00+02:00", "1839042647508992", strconv.FormatInt(at.UnixMilli()+123, 10), at.Add(123 * time.Millisecond), 1839042647508992},
		{"the zone of the 2013 format", "2026-03-31 04:00:00", "7", strconv.FormatInt(at.UnixMilli()+123, 10), at.Add(-5*time.Hour + 123*time.Millisecond), 7},
		{"neither", "2026-03-31 09:00:00", "", "", at, 0},
		{"another time", "2026-03-31 09:00:00", "0", strconv.FormatInt(at.UnixMilli()+5001, 10), at, 0},
		{"no numbers", "2026-03-31 09:00:00", "-7", "now", at, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := "type=update&contact[id]=1&initiated_from=public&date_time=" + url.QueryEscape(c.date)
			r := httptest.NewRequest("POST", "/", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set(webhook.HeaderSequence, c.sequence)
			r.Header.Set(webhook.HeaderEventTime, c.time)
			events, err := webhook.ParseRequest(r, &webhook.ReceiveOptions{Unsigned: true})
			require.NoError(t, err)
			m := events[0].(webhook.Update).Meta
			assert.True(t, c.want.Equal(m.Time), "%s", m.Time)
			assert.Equal(t, c.wantSequence, m.Sequence)
		})
	}
}
