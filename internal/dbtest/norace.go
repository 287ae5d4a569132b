//go:build !race

package dbtest

// raced says whether the race detector is on.
const raced = false
