package sqlstore

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

// With the earlier joins of its lines, a step may take more events than one number has
// places for.
func TestAStepOfManyJoinsUsesThePlacesOfTheNext(t *testing.T) {
	for _, test := range []struct {
		joins, left int
		last        int64
	}{
		{0, 9000, 7}, {1, 0, 7}, {maxLineEvents, 9000, 7}, {maxLineEvents + 1, 0, 8}, {3 * maxLineEvents, 0, 9}, {3*maxLineEvents + 1, 0, 10},
	} {
		st := sequencing{step: 7}
		for n := range test.joins + test.left {
			e := lineEvent{Kind: joinedLine, ID: fmt.Sprint(n)}
			if n >= test.joins {
				e.Kind = leftLine
			}
			st.events = append(st.events, e)
		}
		last := st.lastStep()
		assert.Equal(t, test.last, last, "the last step of %d joins", test.joins)
		assert.EqualValues(t, 7, st.step)
		joined, _ := st.replay()
		if n := len(joined); n > 0 {
			assert.Equal(t, last, joined[n-1].Place>>stepBits, "the step of the last place of %d", test.joins)
		}
	}
	st := sequencing{step: 7, events: []lineEvent{{Kind: joinedLine, Joined: 100 * stepMillis}}}
	assert.EqualValues(t, 101, st.lastStep())
	assert.EqualValues(t, 101, st.step)
}
