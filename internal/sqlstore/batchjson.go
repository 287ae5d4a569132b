package sqlstore

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
)

// args returns the batch's arguments: @rows, @clock, @token and @bytes. If inline,
// the bytes are in @rows as base64.
func (b *batch) args(inline bool) args {
	a := args{"rows": b.json(inline), "clock": b.clock, "token": b.token}
	if !inline {
		a["bytes"] = b.bytes
	}
	return a
}

// oneArgs returns the arguments of enqueueOne.
func (b *batch) oneArgs() args {
	a := args{"token": b.token}
	for _, column := range []string{"k", "i", "a", "w", "e", "t", "c", "s", "d", "l", "n", "b", "h", "g", "z"} {
		a[column] = b.value(&b.rows[0], column)
	}
	return a
}

// json returns the rows as a JSON array. It has only the columns that the statement
// uses, because the database parses all of it.
func (b *batch) json(inline bool) string {
	each := 250 // bytes of a row, about
	if b.changes {
		each = 120
	}
	var j jsonWriter
	j.Grow(each * len(b.rows))
	if inline {
		j.Grow(len(b.bytes) * 4 / 3)
	}
	for i := range b.rows {
		r := &b.rows[i]
		before := "[{"
		if i > 0 {
			before = ",{"
		}
		j.text(before, "i", r.ID)
		if !b.changes {
			j.text(",", "a", r.Account)
			j.text(",", "w", r.Webhook)
			j.text(",", "e", r.Event)
			j.text(",", "t", r.Type)
			j.number("c", r.Created)
		}
		if r.Seq != 0 {
			j.number("k", r.Seq)
		}
		j.text(",", "s", r.State)
		j.number("d", r.Due)
		j.number("l", r.Lease)
		j.number("n", int64(r.Attempts))
		if n, ok := r.Queue.column().(int); ok {
			j.number("r", int64(n))
		}
		if r.Erase {
			j.WriteString(`,"x":true`)
		}
		if r.Leave {
			j.WriteString(`,"v":true`)
		}
		if r.DropBody {
			j.WriteString(`,"p":true`)
		}
		if r.Rewrite {
			j.WriteString(`,"gx":true`)
		}
		if r.Order > 0 {
			j.number("o", int64(r.Order))
		}
		if r.Key != "" {
			j.text(",", "q", r.Key)
		}
		if r.Joined.Valid {
			j.number("y", r.Joined.Int64)
		}
		if r.Time.Valid {
			j.number("z", r.Time.Int64)
		}
		if r.Until.Valid {
			j.number("m", r.Until.Int64)
		}
		if r.Failure != "" {
			j.text(",", "f", r.Failure)
		}
		switch {
		case r.Subjects == "":
		case inline: // MariaDB has no columns of JSON arrays
			j.text(",", "u", r.Subjects)
		default:
			j.name(",", "u")
			j.WriteString(r.Subjects)
		}
		if !b.changes {
			j.bytes(b, inline, "b", r.Body, r.BodyLen)
			j.bytes(b, inline, "h", r.Carrier, r.CarrierLen)
		}
		j.bytes(b, inline, "g", r.Log, r.LogLen)
		j.WriteByte('}')
	}
	j.WriteByte(']')
	return j.String()
}

// A jsonWriter writes members of JSON objects.
type jsonWriter struct{ strings.Builder }

func (j *jsonWriter) name(before, name string) {
	j.WriteString(before)
	j.WriteByte('"')
	j.WriteString(name)
	j.WriteString(`":`)
}

func (j *jsonWriter) text(before, name, value string) {
	j.name(before, name)
	if !isPlain(value) {
		data, _ := json.Marshal(value) // cannot fail for a string
		j.Write(data)
		return
	}
	j.WriteByte('"')
	j.WriteString(value)
	j.WriteByte('"')
}

// isPlain reports whether a text needs no escapes in JSON.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func (j *jsonWriter) number(name string, n int64) {
	var digits [20]byte
	j.name(",", name)
	j.Write(strconv.AppendInt(digits[:0], n, 10))
}

// bytes writes the offset and length of bytes of b or, if inline, the bytes as
// base64.
func (j *jsonWriter) bytes(b *batch, inline bool, name string, offset, length int) {
	if !inline {
		j.number(name, int64(offset))
		j.number(name+"n", int64(length))
		return
	}
	j.text(",", name, base64.StdEncoding.EncodeToString(b.slice(offset, length)))
}
