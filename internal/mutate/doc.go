// Package mutate breaks Go code on purpose, in one place at a time, and runs a test that
// should notice. A broken version that the test lets pass is a hole in the test, or it is
// equivalent: no caller can tell it from the code that it was made of.
//
// All mutants of a package are built into one test binary. Each function of the package
// gets a copy for each of its mutants, and calls the copy that the environment names.
// So a mutant costs a run of the test until its first failure, and no build.
package mutate
