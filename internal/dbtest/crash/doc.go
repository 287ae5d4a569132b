// Package crash proves by destruction what docs/reliability.md promises.
//
// Its tests run this package's test binary again as child processes, each of
// which is an app: it emits events and delivers them on a real database. The
// children are killed, frozen, given wrong clocks, and cut off from their
// databases, which are restarted, filled and made read-only meanwhile. The
// receiver lives in the test's own process, which no child's death touches:
// what it recorded, what the children said they had been promised, and what
// the database's log says in the end have to agree.
//
// Every test is bounded to seconds as it stands. These lengthen it, as
// "make long" does:
//
//	LISTHOOK_ROUNDS  how often children are killed on each store; 3
//	LISTHOOK_SOAK    how long the soak lasts on each store; 4s
//	LISTHOOK_SEED    what the moments are drawn from; by default another each time, printed
package crash
