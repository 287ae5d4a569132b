package validtext

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCheckAllowsWhatEveryStoreKeeps(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "",
		"msg_1 ä 漢":                       "",
		strings.Repeat("x", MaxBytes):     "",
		strings.Repeat("x", MaxBytes+1):   "is longer than 255 bytes",
		strings.Repeat("ä", MaxBytes/2+1): "is longer than 255 bytes",
		"\xff":                            "is not valid UTF-8",
		"a\x00b":                          "contains a NUL byte",
	} {
		assert.Equal(t, want, Check(text), "%q", text)
	}
}
