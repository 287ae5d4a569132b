package v1

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// A reply is what the older API answers: an array of PHP's, which keeps its
// order and whose values are strings, ints and replies.
type reply []replyField

type replyField struct {
	key   string
	value any
}

// set replaces the value of a key, or appends it.
func (r *reply) set(key string, value any) {
	if i := slices.IndexFunc(*r, func(f replyField) bool { return f.key == key }); i >= 0 {
		(*r)[i].value = value
		return
	}
	*r = append(*r, replyField{key, value})
}

// The outputs of the older API, by their names in api_output.
const (
	outputXML       = "xml"
	outputJSON      = "json"
	outputSerialize = "serialize"
)

// write sends r, as the answer to an action, in one of the outputs.
func (r reply) write(w http.ResponseWriter, status int, output, action string) {
	var b bytes.Buffer
	contentType := "text/xml; charset=utf-8"
	switch output {
	case outputJSON:
		contentType = "application/json"
		r.json(&b)
	case outputSerialize:
		contentType = "text/plain; charset=utf-8"
		r.serialize(&b)
	default:
		b.WriteString(`<?xml version="1.0" encoding="utf-8"?>` + "\n")
		r.xml(&b, xmlName(action))
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// json writes r as an object: rows stand under "0", "1" and so on.
func (r reply) json(b *bytes.Buffer) {
	b.WriteByte('{')
	for i, f := range r {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(jsonText(f.key))
		b.WriteByte(':')
		switch v := f.value.(type) {
		case reply:
			v.json(b)
		case int:
			b.WriteString(strconv.Itoa(v))
		default:
			b.Write(jsonText(fmt.Sprint(v)))
		}
	}
	b.WriteByte('}')
}

func jsonText(s string) []byte {
	text, _ := json.Marshal(s) // strings always can be
	return text
}

// serialize writes r as PHP's serialize does. Keys that are whole numbers are
// ints, as in PHP's arrays; lengths are in bytes.
func (r reply) serialize(b *bytes.Buffer) {
	fmt.Fprintf(b, "a:%d:{", len(r))
	for _, f := range r {
		if n, err := strconv.Atoi(f.key); err == nil && strconv.Itoa(n) == f.key {
			fmt.Fprintf(b, "i:%d;", n)
		} else {
			fmt.Fprintf(b, "s:%d:\"%s\";", len(f.key), f.key)
		}
		switch v := f.value.(type) {
		case reply:
			v.serialize(b)
		case int:
			fmt.Fprintf(b, "i:%d;", v)
		default:
			text := fmt.Sprint(v)
			fmt.Fprintf(b, "s:%d:\"%s\";", len(text), text)
		}
	}
	b.WriteByte('}')
}

// xml writes r as an element; what stands under a number is a row.
func (r reply) xml(b *bytes.Buffer, name string) {
	b.WriteString("<" + name + ">")
	for _, f := range r {
		child := xmlName(f.key)
		switch v := f.value.(type) {
		case reply:
			v.xml(b, child)
		default:
			b.WriteString("<" + child + ">")
			_ = xml.EscapeText(b, fmt.Append(nil, v)) // a Buffer takes all
			b.WriteString("</" + child + ">")
		}
	}
	b.WriteString("</" + name + ">")
}

// xmlName makes a name of an element: numbers are rows, and what no name may
// hold is an underscore.
func xmlName(key string) string {
	if key == "" || strings.IndexFunc(key, func(r rune) bool { return !unicode.IsDigit(r) }) < 0 {
		return "row"
	}
	name := strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_') {
			return r
		}
		return '_'
	}, key)
	if unicode.IsDigit(rune(name[0])) {
		return "_" + name
	}
	return name
}
