package webhook

import (
	"regexp"
	"strings"
)

// Choices joins the chosen values of a multiple-choice field as the protocol
// does: Choices("A", "B") is "||A||B||", and without values it is "".
//
// The protocol has no way to write a value that a receiver would split, so
// Choices writes a "|" at the beginning or the end of a value, or beside another
// one, as "&#124;". All other values are sent as they are.
func Choices(values ...string) string {
	if len(values) == 0 {
		return ""
	}
	var b strings.Builder
	for _, value := range values {
		b.WriteString("||")
		value = writtenPipe.ReplaceAllString(value, "&amp;$1")
		for i := range len(value) {
			if value[i] == '|' && (i == 0 || i == len(value)-1 || value[i-1] == '|' || value[i+1] == '|') {
				b.WriteString("&#124;")
			} else {
				b.WriteByte(value[i])
			}
		}
	}
	b.WriteString("||")
	return b.String()
}

// writtenPipe matches the text that Choices writes for "|", and what it writes
// for that text itself.
var writtenPipe = regexp.MustCompile(`&((?:amp;)*#124;)`)

// SplitChoices is the reverse of Choices: it returns the original values. A value that
// is not a multiple choice is returned as the only one.
func SplitChoices(value string) []string {
	inner, ok := strings.CutPrefix(value, "||")
	if ok {
		inner, ok = strings.CutSuffix(inner, "||")
	}
	switch {
	case value == "":
		return nil
	case !ok:
		return []string{value}
	}
	values := strings.Split(inner, "||")
	for i, v := range values {
		values[i] = writtenPipe.ReplaceAllStringFunc(v, func(written string) string {
			if rest, ok := strings.CutPrefix(written, "&amp;"); ok {
				return "&" + rest
			}
			return "|"
		})
	}
	return values
}
