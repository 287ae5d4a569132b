package account

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAURLWithoutAPasswordIsShownAsItIs(t *testing.T) {
	for _, plain := range []string{"https://crm.example.com/", "https://shop@crm.example.com/", "https://crm.example.com/?a=b:c@d", "no URL : at all"} {
		assert.Equal(t, plain, HidePassword(plain))
	}
}
