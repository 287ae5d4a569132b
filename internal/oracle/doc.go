// Package oracle compares the library with others that do a part of the same,
// written by others from the same documents.
package oracle
