package counter

import "testing"

func TestCounter(t *testing.T) {
	t.Run("counts", func(t *testing.T) {
		var c Counter
		for i, word := range []string{"a", "A", "a"} {
			if n := c.Add(word); n != i+1 {
				t.Fatalf("the word %q came %d times, want %d", word, n, i+1)
			}
		}
		if n := c.Add("b"); n != 1 {
			t.Fatalf("another word came %d times, want 1", n)
		}
	})
	t.Run("selects", func(t *testing.T) {
		if query != "select word from words where n >= @least and n < @most order by n limit 1" {
			t.Fatalf("the query is %q", query)
		}
	})
}
