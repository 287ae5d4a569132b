package account

import (
	"strconv"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

// CursorOf returns a delivery's place in the log as a text for an address.
func CursorOf(d webhook.Delivery) string {
	return TextOf(webhook.Cursor{Created: d.Created, ID: d.ID})
}

// TextOf returns a place in the log as such a text.
func TextOf(c webhook.Cursor) string {
	return strconv.FormatInt(c.Created.UnixMilli(), 10) + "." + c.ID
}

// ParseCursor reads what CursorOf returned, and reports whether the text is
// such.
func ParseCursor(text string) (c webhook.Cursor, ok bool) {
	millis, id, ok := strings.Cut(text, ".")
	n, err := strconv.ParseInt(millis, 10, 64)
	if !ok || err != nil || len(id) > 255 {
		return webhook.Cursor{}, false
	}
	return webhook.Cursor{Created: time.UnixMilli(n).UTC(), ID: id}, true
}
