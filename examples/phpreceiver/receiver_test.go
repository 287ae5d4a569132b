package phpreceiver

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/examples/internal/receivertest"
)

func TestTheAnnouncementsReceiverGetsTheAnnouncementsSubscriber(t *testing.T) {
	log := filepath.Join(t.TempDir(), "subscribers.log")
	host := servePHP(t, "receiver.php", "RECEIVER_LOG="+log)
	s := receivertest.NewSender(t, host)
	s.Webhook(host, webhook.Format2013)

	s.Deliver(1, webhook.Sample(webhook.TypeSubscribe))
	assert.JSONEq(t, `{
		"happened": "subscribe", "at": "2013-01-02 09:28:42", "list": "12",
		"subscriber": "12", "email": "test@test.com", "name": "Test Test",
		"fields": [
			{"field": "7", "value": "test value"},
			{"field": "15", "value": "value 1"},
			{"field": "16", "value": "2013-01-03"}
		]
	}`, strings.Join(readLines(t, log), "\n"))
}

func TestTheAnnouncementsReceiverLogsTheEventsOfSubscribers(t *testing.T) {
	log := filepath.Join(t.TempDir(), "subscribers.log")
	host := servePHP(t, "receiver.php", "RECEIVER_LOG="+log)
	s := receivertest.NewSender(t, host)
	s.Webhook(host, webhook.Format2013)

	var want []string
	for _, event := range webhook.EventTypes() {
		s.Deliver(1, webhook.Sample(event))
		if event != webhook.TypeSent { // it has no subscriber
			want = append(want, string(event))
		}
	}
	var got []string
	for _, line := range readLines(t, log) {
		var entry struct{ Happened string }
		require.NoError(t, json.Unmarshal([]byte(line), &entry))
		got = append(got, entry.Happened)
	}
	assert.Equal(t, want, got)
}

func TestTheAnnouncementsReceiverStandsWhatStrangersPost(t *testing.T) {
	for name, test := range map[string]struct {
		body  string
		lines int
	}{
		"nothing":                     {"", 0},
		"a text for the subscriber":   {"subscriber=12", 0},
		"no id":                       {"subscriber[email]=a@example.com", 0},
		"an id alone":                 {"subscriber[id]=12", 1},
		"lists for texts":             {"type[]=a&subscriber[id][]=1&subscriber[first_name][]=2&subscriber[email][x][y]=3", 1},
		"a text for the fields":       {"subscriber[id]=12&subscriber[fields]=x", 1},
		"line ends and no UTF-8":      {"subscriber[id]=12&type=%0A%7B%7D%0A&subscriber[fields][%0A]=%FF%0A", 1},
		"fields in fields":            {"subscriber[id]=12&subscriber[fields][a][b][c]=x", 1},
		"as many variables as it has": {"subscriber[id]=12" + strings.Repeat("&subscriber[fields][]=x", 2000), 1},
	} {
		t.Run(name, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "subscribers.log")
			host := servePHP(t, "receiver.php", "RECEIVER_LOG="+log)
			status, answer := receivertest.Post(t, host, test.body, nil)
			assert.Equal(t, http.StatusOK, status)
			assert.NotContains(t, answer, "receiver.php", "what went wrong in it is not for strangers")

			lines := readLines(t, log)
			assert.Len(t, lines, test.lines)
			for _, line := range lines {
				assert.True(t, json.Valid([]byte(line)), line)
			}
		})
	}
}

func TestTheAnnouncementsReceiverAsksForWhatItCouldNotWriteAgain(t *testing.T) {
	host := servePHP(t, "receiver.php", "RECEIVER_LOG="+t.TempDir()) // a folder
	status, _ := receivertest.Post(t, host, url.Values{"subscriber[id]": {"12"}}.Encode(), nil)
	assert.Equal(t, http.StatusInternalServerError, status)
}

// readLines returns a file's lines; a file that is not there has none.
func readLines(t *testing.T, file string) []string {
	t.Helper()
	content, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(string(content), "\n"))
	return strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
}
