package page

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook/manage/internal/text"
)

func TestSuccessIsNeverRoundedUpToAll(t *testing.T) {
	texts, err := text.NewCatalog(nil)
	require.NoError(t, err)
	for _, c := range []struct {
		delivered, failed, retried int
		want                       string
	}{
		{0, 0, 0, ""}, {5, 0, 0, "100%"}, {99_999, 1, 0, "99.9%"}, {999, 1, 0, "99.9%"}, {500, 1, 0, "99.8%"}, {97, 2, 1, "97%"}, {0, 0, 3, "0%"},
	} {
		assert.Equal(t, c.want, tally{Delivered: c.delivered, Failed: c.failed, Retried: c.retried}.Success(texts.Language("en")))
	}
}
