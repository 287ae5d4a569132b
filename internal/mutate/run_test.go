package mutate

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// What failed is the innermost of subtests, not those around it.
func TestAFailureIsOfTheInnermostSubtest(t *testing.T) {
	name, how := failure(`=== RUN   TestStore
=== RUN   TestStore/server
=== RUN   TestStore/server/store
=== RUN   TestStore/server/store/passes
=== RUN   TestStore/server/store/fails
    claim.go:12: broken: it claims too much
--- FAIL: TestStore (0.01s)
    --- FAIL: TestStore/server (0.01s)
        --- FAIL: TestStore/server/store (0.01s)
            --- PASS: TestStore/server/store/passes (0.00s)
            --- FAIL: TestStore/server/store/fails (0.00s)
FAIL
`)
	assert.Equal(t, "fails", name)
	assert.Equal(t, "claim.go:12: broken: it claims too much", how)
}
