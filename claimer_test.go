package webhook

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTheLastTurn(t *testing.T) {
	for _, c := range []struct {
		after string
		ids   []string
		want  string
	}{
		{"", nil, ""},
		{"b", nil, "b"},
		{"", []string{"a", "c", "b"}, "c"},
		{"b", []string{"d", "c"}, "d"},
		{"b", []string{"d", "a"}, "a"},
		{"c", []string{"a", "b", "d"}, "b"},
		{"b", []string{"b", "c"}, "b"},
	} {
		assert.Equal(t, c.want, lastTurn(c.after, c.ids), "after %q of %q", c.after, c.ids)
	}
}
