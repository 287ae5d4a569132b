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

	textList      string    // a query that returns the texts in the JSON array @list
	queues        [3]string // follow "from" in a query of the ready, waiting and leased deliveries
	insertWebhook string    // if one has the ID, it changes no row or fails by isDuplicate

	// enqueue inserts deliveries and returns the IDs of those that were new. With
	// insertNew, it returns all IDs and whether each delivery was new.
	enqueue          script
	insertNew        string // inserts all, or fails by isDuplicate; "": enqueue
	enqueuePreLeased script // enqueue for a batch of pre-leased deliveries; nil: enqueue
	erase            script
	apply            script // returns the IDs of the deliveries that had the lease
	applyFinal       script // apply for a batch of final states, for deliveries in no queue; nil: apply

	idle          string // whether nothing is ready or has come due, and whether no lease has expired
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

	prune    string
	maxPrune int // how many deliveries one transaction prunes at most; 0: no limit

	isNoTable   func(error) bool
	isDuplicate func(error) bool // a row with the key exists; nil: no statement fails for that
	isRetryable func(error) bool // a deadlock or the like
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
	insertWebhook, updateWebhook                     statement
	enqueue, enqueuePreLeased                        prepared
	insertNew                                        statement
	erase, apply, applyFinal                         prepared
	idle, promote, readyWebhooks, seekFrom           statement
	pick                                             statement
	take                                             prepared
	insertLease, expiredLeases, expire, deleteLeases statement
	prune, pruneWebhooks                             statement
}

// prepared is a script for a prefix.
type prepared []preparedStep

type preparedStep struct {
	statement
	returnsRows, skipsRest bool
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
		insertWebhook: one(d.insertWebhook), updateWebhook: one(updateWebhook),
		enqueue: all(d.enqueue), enqueuePreLeased: all(d.enqueuePreLeased), insertNew: one(d.insertNew),
		erase: all(d.erase), apply: all(d.apply), applyFinal: all(d.applyFinal),
		idle: one(d.idle), promote: one(d.promote), readyWebhooks: one(d.readyWebhooks), seekFrom: one(d.seekFrom), pick: one(d.pick),
		take:        all(d.take),
		insertLease: one(d.insertLease), expiredLeases: one(d.expiredLeases), expire: one(d.expire), deleteLeases: one(d.deleteLeases),
		prune: one(d.prune), pruneWebhooks: one(pruneWebhooks),
	}
}

// SQL that is the same on all databases.
const (
	columns      = `id, account, webhook, event, type, created, state, due, lease, attempts`
	documents    = `body, carrier`
	claimColumns = columns + `, ` + documents

	updateWebhook = `
update {}webhooks
set account = @account, list = @list, hold = @hold, changed = @changed,
    deleted = @deleted, version = @version + 1, doc = @doc
where id = @id and version = @version`

	pruneWebhooks = `
delete from {}webhooks
where deleted = 1 and changed < @before and not exists (
  select 1 from {}deliveries d
  where d.account = {}webhooks.account and d.webhook = {}webhooks.id)`
)
