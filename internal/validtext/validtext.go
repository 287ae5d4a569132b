// Package validtext says which texts every store can keep unchanged, as an ID or in
// another column of its own.
package validtext

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxBytes is how long a text may be: an index of MySQL and MariaDB has no room for more.
const MaxBytes = 255

// Check says why some store could not keep a text, as in "is longer than 255 bytes".
// It returns "" if all of them can.
func Check(text string) (reason string) {
	switch {
	case len(text) > MaxBytes:
		return fmt.Sprintf("is longer than %d bytes", MaxBytes)
	case !utf8.ValidString(text):
		return "is not valid UTF-8"
	case strings.IndexByte(text, 0) >= 0:
		return "contains a NUL byte"
	}
	return ""
}
