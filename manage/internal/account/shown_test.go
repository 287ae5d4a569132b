package account

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAURLWithoutAPasswordIsShownAsItIs(t *testing.T) {
	for _, plain := range []string{"https://crm.example.com/", "https://shop@crm.example.com/", "https://crm.example.com/?a=b:c@d", "https://crm.example.com?a=b:c@d", "https://crm.example.com#b:c@d", "https://crm.example.com:8443/@", "no URL : at all", ""} {
		assert.Equal(t, plain, HidePassword(plain))
	}
}

func TestAPasswordIsHiddenHoweverItIsWritten(t *testing.T) {
	for raw, want := range map[string]string{
		"https://shop:pass@crm.example.com/hook":    "https://shop:•••@crm.example.com/hook",
		"https://shop:@crm.example.com":             "https://shop:•••@crm.example.com",
		"https://:pass@crm.example.com:8443/?a=%2F": "https://:•••@crm.example.com:8443/?a=%2F",
		"https://shop:p:a@ss@crm.example.com/":      "https://shop:•••@crm.example.com/",
		" HTTPS://shop:p%40ss@BÜCHER.example?a= b":  " HTTPS://shop:•••@BÜCHER.example?a= b",
		"https://shop:pa%ss@crm.example.com/":       "https://shop:•••@crm.example.com/",
	} {
		assert.Equal(t, want, HidePassword(raw))
		assert.Equal(t, want, HidePassword(want))
	}
}
