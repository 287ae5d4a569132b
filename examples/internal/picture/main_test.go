package main

import (
	"bytes"
	"image/png"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestThePageThatIsPicturedShowsWhatAWebhookMayBe(t *testing.T) {
	h, err := page(t.Context(), time.Now())
	require.NoError(t, err)
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest("GET", "/webhooks/", nil))
	require.Equal(t, 200, answer.Code)
	for _, text := range []string{"CRM", "Newsletter", "Failing", "14 failures in a row", "Off, keeps events", "2,210 delivered, 3 failed"} {
		assert.Contains(t, answer.Body.String(), text)
	}
}

func TestThePictureIsSmall(t *testing.T) {
	picture, err := os.ReadFile("../../../docs/page.png")
	require.NoError(t, err)
	assert.Less(t, len(picture), 150_000, "everybody who reads README downloads it")
	_, err = png.Decode(bytes.NewReader(picture))
	assert.NoError(t, err)
}
