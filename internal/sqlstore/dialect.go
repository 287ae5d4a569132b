package sqlstore

import "context"

// A dialect holds the SQL and the properties of a database.
//
// In its SQL {} stands for the prefix of the tables' names and @name for an
// argument. "" as a statement, and nil as a script, mean that the database needs
// none, unless the comment says what is used instead.
type dialect struct {
	numbered   string // precedes the number in a placeholder; "": placeholders are "?"
	keepsPlans bool   // see Store.text
	base64     bool   // bodies are in @rows as base64, not in @bytes

	// check returns an error, which names the setting, if a setting of the server
	// or of q's session keeps the store from its promises. Migrate calls it, and so
	// do the first call of each process and the app's transactions; see
	// Store.checkEveryTx.
	check func(ctx context.Context, s *Store, q Querier) error

	schema        []string // element i upgrades the tables to version i+1
	recordVersion string   // records a version, in several processes at once if Migrate's lock allows that; "": insert it
	wal           string   // runs before Migrate's transaction
	lock          string   // excludes other processes from Migrate's transaction
	unlock        string   // "": lock ends with the transaction

	textList      string                     // a query that returns the texts in the JSON array @list
	queues        [4]string                  // follow "from" in a query of the ready, waiting, leased and parked deliveries
	byID          func(id, is string) string // joins as d the delivery with an ID of an earlier table, if the condition holds for it: looks each up, however few of them the planner expects; nil if queuesHaveSeq
	queuesHaveSeq bool                       // the queues have the column seq instead of id and due: the table's order, in which reading many deliveries is cheap
	insertWebhook string                     // if one has the ID, it changes no row or fails by isDuplicate

	// awaitPuts says that a read may see a put and not an earlier one that is being
	// committed, so that a read by Put has to wait for those that are under way.
	awaitPuts bool

	// sortsWhole says that the database sorts all selected rows if an index has only the
	// first column of their order, even with a limit.
	sortsWhole bool

	// oneWriter says that a transaction excludes all others that write. A sequencing
	// step is then part of each transaction that would store events.
	oneWriter bool

	// enqueue inserts deliveries and returns the IDs of those that were new. With
	// insertNew, it returns all IDs and whether each delivery was new.
	enqueue          script
	insertNew        string // inserts all, or fails by isDuplicate; "": enqueue
	enqueueOne       script // enqueue for one ready delivery without extras, which wakes nobody; nil: enqueue
	enqueueReady     script // enqueue for a batch of ready deliveries without extras; nil: enqueue
	enqueuePreLeased script // enqueue for a batch of pre-leased deliveries; nil: enqueue
	enqueueExtras    script // enqueue for a batch of which row.hasExtras; nil: enqueue, insertLineEvents and insertSubjects
	insertSubjects   string // those in @rows
	erase            script
	apply            script // returns the IDs of the deliveries that had the lease, with the kind of the event of their lines, 0 for none
	applyUnkeyed     script // apply for deliveries without a key, not told to leave their line or to replace their log; returns no kinds; nil: apply
	applyFinal       script // apply for a batch of final states, for leased deliveries with and without a key; nil: apply
	applyInTurn      script // applyFinal for the holder of the lock of lockLines; also returns, without an ID, what it entered into a queue; nil: applyFinal
	enqueueInTurn    script // enqueueExtras for the holder of that lock; returns the Sequence of what it leased; nil: enqueueExtras
	enqueueInLines   script // enqueue of oneWriter for deliveries with a key whose places in their lines are known
	openLines        string // the IDs of those in @rows whose lines have an entry
	unkeyedFinal     bool   // applyUnkeyed is for a batch of final states, of deliveries in no queue

	// See lines.go.
	insertLineEvents string // those in @rows; "": enqueueExtras and apply do so, or oneWriter
	lockLines        script // excludes other transactions that call it, and returns the number of the step, unless @least is negative; a long wait fails by isLocked
	unlockLines      script // undoes what lockLines set in the session
	raiseStep        script // makes @step the number of the step
	takeLineEvents   string // up to @n events, the first from the number @from on, and earlier joins of the lines that these join
	takeLateJoins    string // joins before the number @from of the deliveries with the IDs in @rows
	takesLines       bool   // takeLineEvents removes the entries of deliveries that left, and returns them as events of kind 0 with their places
	deleteLineEvents string // those with the numbers in @rows; "": takeLineEvents and takeLateJoins delete
	joinLines        string // appends the entries in @rows; "": enterFirst appends those in @joined
	leaveLines       script // removes and returns the entries of the deliveries with the IDs in @rows
	numberDeliveries string // stores the Sequence of deliveries that have none
	enterFirst       script // enters the first ones behind the places in @rows into the queues; may return those made ready
	leaseFirst       script // enterFirst, but leases those that are due, up to n of each webhook; returns these, and those made ready without an ID; nil: claims take them

	idle          string // whether nothing is ready, nothing waiting has come due, no lease has expired, and there are no events of lines
	promote       string // makes ready up to @n waiting deliveries that have come due, in order of due time
	readyWebhooks string // the next @n webhooks with ready deliveries, from @from on: ID, earliest due time, whether held
	seekFrom      string // readyWebhooks behind the positions @past; "": removed rows slow no scan down
	pick          string // keys of up to @n ready rows of @webhook; "": take picks rows itself
	take          script // claims the picked rows, or up to @limit rows of the webhooks in @rows

	insertLease   string // "": enqueue and take insert leases themselves
	expiredLeases string // up to @n expired leases, in order of expiry
	expire        string // makes ready the outstanding deliveries of leases
	deleteLeases  string

	// confirm returns once everything that was committed before is as durable as a
	// commit is, and whether it committed something for that. "": whatever can be
	// seen is durable.
	confirm string

	// takeCommits reports whether take commits by itself, so that an error of a
	// later statement does not undo it.
	takeCommits bool

	deleteSubjects string // of deliveries: Account, Created, ID and Subjects in @rows

	prune        pruning
	deletePruned string // the deliveries with the IDs in @rows; "": prune deletes
	maxPrune     int    // how many deliveries one transaction prunes at most; 0: no limit

	isNoTable   func(error) bool
	isDuplicate func(error) bool // a row with the key exists; nil: no statement fails for that
	isRetryable func(error) bool // a deadlock or the like
	isLocked    func(error) bool // another transaction holds a lock for long
}

// A script is a list of statements that run in one transaction.
type script []step

// A step is a statement of a script.
type step struct {
	text        string
	returnsRows bool // it returns the script's rows
	skipsRest   bool // if it changes all rows of the batch, the steps behind it are skipped
}

// result returns a script of one statement that returns rows.
func result(text string) script { return script{{text: text, returnsRows: true}} }

// statements are a dialect's statements for a prefix.
type statements struct {
	nextPut, insertWebhook, updateWebhook            statement
	enqueue, enqueueOne, enqueueReady                prepared
	enqueuePreLeased, enqueueExtras                  prepared
	insertNew, insertSubjects                        statement
	enqueueInTurn, enqueueInLines                    prepared
	erase, apply, applyUnkeyed, applyFinal           prepared
	applyInTurn                                      prepared
	openLines                                        statement
	insertLineEvents, takeLineEvents, takeLateJoins  statement
	deleteLineEvents, joinLines, numberDeliveries    statement
	lockLines, unlockLines, raiseStep                prepared
	leaveLines, enterFirst, leaseFirst               prepared
	idle, promote, readyWebhooks, seekFrom           statement
	pick                                             statement
	take                                             prepared
	insertLease, expiredLeases, expire, deleteLeases statement
	deletePruned, deleteSubjects, pruneWebhooks      statement
	confirm                                          statement
}

// prepared is a script for a prefix.
type prepared []preparedStep

type preparedStep struct {
	statement
	returnsRows, skipsRest bool
}

// enqueueFor returns the statements that store a batch without extras. Those of a batch
// that enters one queue name fewer tables, which the server then need not open.
func (s *statements) enqueueFor(b *batch) prepared {
	switch {
	case s.enqueueReady != nil && b.all(queueReady):
		return s.enqueueReady
	case s.enqueuePreLeased != nil && b.all(queueLeased):
		return s.enqueuePreLeased
	}
	return s.enqueue
}

func (d *dialect) statements(prefix string) statements {
	one := func(text string) statement { return d.prepare(prefix, text) }
	all := func(s script) (list prepared) {
		for _, st := range s {
			list = append(list, preparedStep{one(st.text), st.returnsRows, st.skipsRest})
		}
		return list
	}
	return statements{
		nextPut: one(nextPut), insertWebhook: one(d.insertWebhook), updateWebhook: one(updateWebhook),
		enqueue: all(d.enqueue), enqueueOne: all(d.enqueueOne), enqueueReady: all(d.enqueueReady),
		enqueuePreLeased: all(d.enqueuePreLeased), enqueueExtras: all(d.enqueueExtras),
		insertNew: one(d.insertNew), insertSubjects: one(d.insertSubjects),
		erase: all(d.erase), apply: all(d.apply), applyUnkeyed: all(d.applyUnkeyed), applyFinal: all(d.applyFinal),
		enqueueInTurn: all(d.enqueueInTurn), enqueueInLines: all(d.enqueueInLines), applyInTurn: all(d.applyInTurn), openLines: one(d.openLines),
		insertLineEvents: one(d.insertLineEvents), takeLineEvents: one(d.takeLineEvents), takeLateJoins: one(d.takeLateJoins),
		deleteLineEvents: one(d.deleteLineEvents), joinLines: one(d.joinLines), numberDeliveries: one(d.numberDeliveries),
		lockLines: all(d.lockLines), unlockLines: all(d.unlockLines), raiseStep: all(d.raiseStep), leaveLines: all(d.leaveLines), enterFirst: all(d.enterFirst), leaseFirst: all(d.leaseFirst),
		idle: one(d.idle), promote: one(d.promote), readyWebhooks: one(d.readyWebhooks), seekFrom: one(d.seekFrom), pick: one(d.pick),
		take:        all(d.take),
		insertLease: one(d.insertLease), expiredLeases: one(d.expiredLeases), expire: one(d.expire), deleteLeases: one(d.deleteLeases),
		deletePruned: one(d.deletePruned), deleteSubjects: one(d.deleteSubjects), pruneWebhooks: one(pruneWebhooks),
		confirm: one(d.confirm),
	}
}

// SQL that is the same on all databases.
const (
	columns      = `id, account, webhook, event, type, created, state, due, lease, attempts, ` + extras
	extras       = `line_key, passed_over, sequence, joined, event_time, failure, subjects`
	documents    = `body, carrier`
	claimColumns = columns + `, ` + documents

	// waitsByKey is the key of the line in which a delivery stands while it is pending; NULL:
	// it has none, or was passed over.
	waitsByKey = `case when passed_over is null then line_key end`

	// Its lock keeps other puts out until the transaction ends. So the numbers of puts
	// are in the order in which the puts can be seen.
	nextPut = `update {}puts set n = n + 1`

	updateWebhook = `
update {}webhooks
set account = @account, list = @list, hold = @hold, changed = @changed,
    deleted = @deleted, version = @version + 1, doc = @doc,
    put = (select n from {}puts), tallies = case when @keep = 1 then tallies else @tallies end
where id = @id and version = @version`

	pruneWebhooks = `delete from {}webhooks where deleted = 1 and changed < @before`
)

// A pruning is a statement that deletes, or locks, up to @n deliveries that finished before
// @before, and returns Account, Created, ID and Subjects of each. More conditions come
// between the two parts.
type pruning struct{ before, after string }

// noTime is the number of the zero time, in SQL.
const noTime = `-62135596800000`

// parked returns the last of a dialect's queues. isParked is a condition that holds for
// every parked delivery, and placed is a query of ID and webhook of those in the lines. The
// others are in events only.
func parked(byID func(id, is string) string, isParked, placed string) string {
	return `(
  select d.id, d.due, l.webhook from (` + placed + `
    union
    select id, webhook from {}line_events where kind in (1, 4)) l
  ` + byID(`l.id`, `state = 'pending' and `+waitsByKey+` is not null and `+isParked) + `) l where true`
}

// changedLine is the kind of the event of its line for a delivery that apply has
// changed; 0: none. The next columns are what the event needs. stood says whether the
// delivery was in a line before; NULL: it had no key, or was passed over and pending.
const changedLine = `case
  when stood is null then 0
  when stood = 1 and (state <> 'pending' or line_key is null or passed_over = 1) then case when sequence is null then 3 else 2 end
  when stood = 0 and state = 'pending' and line_key is not null and passed_over is null then 1
  else 0 end, webhook, coalesce(line_key, ''), coalesce(joined, ` + noTime + `)`
