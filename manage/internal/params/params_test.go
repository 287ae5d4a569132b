package params

import (
	"slices"
	"testing"
)

func FuzzParams(f *testing.F) {
	for _, seed := range []string{
		"action[]=open&lists[12]=12", `action=["a",{"b":1}]`, "action[=x", "action]=x&action[x]y=z", "a%5B%5D=%zz", "=&&=", `lists={"0":`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, encoded string) {
		ps, err := Parse(encoded)
		if err != nil {
			return
		}
		for _, key := range []string{"action", "lists"} {
			values, sent := ps.Values(key)
			if len(values) > 0 && !sent {
				t.Errorf("%q has values of %s that were not sent", encoded, key)
			}
			for i, v := range values {
				if v == "" || slices.Contains(values[:i], v) {
					t.Errorf("%q gives an empty value or one twice: %q", encoded, values)
				}
			}
		}
	})
}
