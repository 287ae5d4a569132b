package counter

import (
	_ "embed"
	"strings"
)

//go:embed script.lua
var scriptLua string

var script = strings.TrimSpace(scriptLua)
