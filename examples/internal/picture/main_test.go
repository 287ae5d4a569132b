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

func TestThePagesThatArePicturedShowWhatAWebhookMayBe(t *testing.T) {
	h, err := page(t.Context(), time.Now())
	require.NoError(t, err)
	for i, texts := range [][]string{
		{"CRM", "Newsletter", "Failing", "14 failures in a row", "Off, keeps events", "2,210 delivered, 3 failed"},
		{"Shop", "Send a test event", "The receiver is not available (503 Service Unavailable)", "Verify signatures"},
		{"Attempt 2", "503", "maintenance", "As a cURL command"},
	} {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, httptest.NewRequest("GET", "/webhooks/"+pictures[i].address, nil))
		require.Equal(t, 200, answer.Code, pictures[i].address)
		for _, text := range texts {
			assert.Contains(t, answer.Body.String(), text, pictures[i].file)
		}
	}
}

func TestThePicturesAreSmall(t *testing.T) {
	for _, p := range pictures {
		picture, err := os.ReadFile("../../../docs/" + p.file)
		require.NoError(t, err)
		assert.Less(t, len(picture), 150_000, "everybody who reads README downloads %s", p.file)
		_, err = png.Decode(bytes.NewReader(picture))
		assert.NoError(t, err)
	}
}
