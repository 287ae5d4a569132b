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
	t.Run("embeds", func(t *testing.T) {
		const want = `-- ARGV[1]: a word. Returns how often it came, but for 9 at most.
local n = tonumber(redis.call('GET', ARGV[1]) or '0')
if n < 9 and n >= 0 then
  redis.call('INCR', ARGV[1])
end
return n`
		if script != want {
			t.Fatalf("the script is %q", script)
		}
	})
}
