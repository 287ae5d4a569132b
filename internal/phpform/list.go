package phpform

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"
)

// AppendItem appends a form as the item of a list, followed by "&": with name
// "events" and index 2, the key person[name] becomes events[2][person][name], whether or
// not its brackets are percent-encoded. It passes over empty pairs.
func AppendItem(list []byte, name string, index int, form []byte) []byte {
	prefix := strconv.AppendInt(append([]byte(name), "%5B"...), int64(index), 10)
	prefix = append(prefix, "%5D%5B"...)
	for pair := range bytes.SplitSeq(form, []byte("&")) {
		if len(pair) == 0 {
			continue
		}
		key, _, _ := bytes.Cut(pair, []byte("="))
		top := len(key)
		for _, bracket := range [...]string{"%5B", "%5b", "["} {
			if i := bytes.Index(key[:top], []byte(bracket)); i >= 0 {
				top = i
			}
		}
		list = append(list, prefix...)
		list = append(list, pair[:top]...)
		list = append(list, "%5D"...)
		list = append(list, pair[top:]...)
		list = append(list, '&')
	}
	return list
}

// Items returns the forms of a list that AppendItem made, in the order in which they
// begin, or nil: the form is no list of that name. Its first key decides. Like Parse it
// is liberal, and passes over keys that belong to no item.
func Items(form []byte, name string) [][]byte {
	if _, _, ok := cutItem(form, name); !ok {
		return nil
	}
	var items [][]byte
	at := map[string]int{}
	for len(form) > 0 {
		pair, rest, _ := bytes.Cut(form, []byte("&"))
		form = rest
		index, inner, ok := cutItem(pair, name)
		if !ok {
			continue
		}
		i, known := at[index]
		if !known {
			i = len(items)
			at[index] = i
			items = append(items, nil)
		}
		if len(items[i]) > 0 {
			items[i] = append(items[i], '&')
		}
		items[i] = append(items[i], inner...)
	}
	return items
}

// cutItem takes a pair of an item apart: the item's index, and the pair as it stands in
// the item's own form.
func cutItem(pair []byte, name string) (index string, inner []byte, ok bool) {
	pair, _, _ = bytes.Cut(pair, []byte("&"))
	rawKey, rawText, _ := bytes.Cut(pair, []byte("="))
	key, err := url.QueryUnescape(string(rawKey))
	if err != nil {
		return "", nil, false
	}
	rest, ok := strings.CutPrefix(key, name+"[")
	if !ok {
		return "", nil, false
	}
	index, rest, ok = strings.Cut(rest, "][")
	if !ok || !isDigits(index) {
		return "", nil, false
	}
	top, rest, ok := strings.Cut(rest, "]")
	if !ok || top == "" {
		return "", nil, false
	}
	inner = AppendEscaped(make([]byte, 0, len(pair)), top)
	inner = AppendEscaped(inner, rest)
	inner = append(inner, '=')
	return index, append(inner, rawText...), true
}

// Without removes a top-level key, with all keys nested in it, from a form.
func Without(form []byte, name string) []byte {
	rest := make([]byte, 0, len(form))
	for pair := range bytes.SplitSeq(form, []byte("&")) {
		raw, _, _ := bytes.Cut(pair, []byte("="))
		key, err := url.QueryUnescape(string(raw))
		if err == nil && (key == name || strings.HasPrefix(key, name+"[")) {
			continue
		}
		if len(rest) > 0 {
			rest = append(rest, '&')
		}
		rest = append(rest, pair...)
	}
	return rest
}

// Count returns how many variables a form has.
func Count(form []byte) int { return bytes.Count(form, []byte("&")) + 1 }

// Text returns the last text of a topmost key of a form.
func Text(form []byte, name string) (text string, ok bool) {
	for pair := range bytes.SplitSeq(form, []byte("&")) {
		key, raw, _ := bytes.Cut(pair, []byte("="))
		if string(key) != name {
			continue
		}
		if unescaped, err := url.QueryUnescape(string(raw)); err == nil {
			text, ok = unescaped, true
		}
	}
	return text, ok
}
