// Package embedding holds the programs of docs/embedding.md, so that they are compiled
// and run: each block of Go there stands in a file here as it is.
package embedding
