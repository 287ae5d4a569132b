// Package counter is what the tests of package mutate break.
package counter

import "strings"

// A Counter counts words.
type Counter struct {
	counts map[string]int
	most   int // of one word; 0: there is no limit
}

// Add counts a word, and returns how often it came.
func (c *Counter) Add(word string) int {
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	word = strings.ToLower(word)
	if c.most > 0 && c.counts[word] >= c.most {
		return c.most
	}
	c.counts[word]++
	return c.counts[word]
}
