package params

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"

	"github.com/listhook/webhook"
)

// OfDelivery returns what a delivery's body holds, in its order; of one that cannot
// be read, nothing. A value of a body in JSON has the path that leads to it as its
// key, such as contact.email or lists.0.
func OfDelivery(body []byte) Params {
	if (webhook.Delivery{Body: body}).ContentType() != "application/json" {
		ps, _ := parse(string(body), math.MaxInt) // the library wrote it
		return ps
	}
	if !json.Valid(body) { // which bounds its depth too
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var ps Params
	ps.addJSON(dec, "")
	return ps
}

// addJSON adds the values of the next one of valid JSON, which is at a path.
func (ps *Params) addJSON(dec *json.Decoder, path string) {
	token, _ := dec.Token()
	open, nested := token.(json.Delim)
	if !nested {
		*ps = append(*ps, Param{path, scalar(token)})
		return
	}
	before := len(*ps)
	if path != "" {
		path += "."
	}
	for i := 0; dec.More(); i++ {
		name := strconv.Itoa(i)
		if open == '{' {
			key, _ := dec.Token()
			name = key.(string)
		}
		ps.addJSON(dec, path+name)
	}
	closing, _ := dec.Token()
	if len(*ps) == before && path != "" {
		*ps = append(*ps, Param{path[:len(path)-1], open.String() + closing.(json.Delim).String()})
	}
}

// scalar returns a value that holds no others as a text.
func scalar(token json.Token) string {
	switch v := token.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return "null"
}
