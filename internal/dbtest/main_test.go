package dbtest

import (
	"flag"
	"os"
	"testing"
)

// Tests with databases wait more than they compute. So more of those that are
// parallel run at once than there are cores, unless the command line says how many.
func TestMain(m *testing.M) {
	flag.Parse()
	told := false
	flag.Visit(func(f *flag.Flag) { told = told || f.Name == "test.parallel" })
	if !told {
		_ = flag.Set("test.parallel", "12")
	}
	code := m.Run()
	endPooler()
	removeMariaDB()
	os.Exit(code)
}
