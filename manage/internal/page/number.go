package page

import "strconv"

// A number is a count that may have ended early.
type number struct {
	Count int
	More  bool // there may be more
}

// String writes n with commas between thousands, and says "or more" of one that
// ended early.
func (n number) String() string {
	if n.More && n.Count == 0 {
		return "not counted"
	}
	text := strconv.Itoa(n.Count)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	if n.More {
		text += " or more"
	}
	return text
}
