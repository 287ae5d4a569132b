package manage

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAnEditMayNameTheRevisionThatItIsFor(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	target := "/api/3/listhook/webhooks/" + w.ID
	read := func(body []byte) (revision int64) {
		var answer struct{ Webhook struct{ Revision int64 } }
		require.NoError(t, json.Unmarshal(body, &answer))
		return answer.Webhook.Revision
	}
	seen := read(r.call("ann", "GET", target, "").Body.Bytes())
	require.Equal(t, w.Revision, seen)
	edit := func(name string, revision int64) int {
		return r.call("ann", "PUT", target, fmt.Sprintf(`{"webhook":{"name":%q,"revision":%d}}`, name, revision)).Code
	}
	assert.Equal(t, 200, edit("First", seen))
	assert.Equal(t, 409, edit("Second", seen))
	assert.Equal(t, "First", r.all()[0].Name)
	assert.Equal(t, 200, edit("Second", read(r.call("ann", "GET", target, "").Body.Bytes())))
	assert.Equal(t, 200, r.call("ann", "PUT", target, `{"webhook":{"name":"Third"}}`).Code, "who names none overwrites")
	assert.Equal(t, 422, r.call("ann", "PUT", target, `{"webhook":{"revision":"soon"}}`).Code)
}

func TestTheOpenAPIDocumentNeedsNoKey(t *testing.T) {
	r := newHarness(t)
	for _, key := range []string{"", "nobody", "ann"} {
		got := r.call(key, "GET", "/api/3/listhook/openapi.json", "")
		assert.Equal(t, 200, got.Code, key)
		assert.True(t, json.Valid(got.Body.Bytes()))
	}
}
