package sqlstore

import "context"

// A dialect is what a database says in its own words.
//
// In its SQL {} stands for the prefix of the tables' names and @name for an
// argument.
type dialect struct {
	numbered   string // what a placeholder's number follows; "": placeholders are "?"
	keepsPlans bool   // see Store.text
	base64     bool   // bodies are in @rows, not in @bytes

	// check returns an error, which names the setting, unless the server and
	// the session at q let the store keep its promises. It is asked by Migrate,
	// by the first call of each process, and in the app's transactions; see
	// Store.everyTx. nil: there is nothing to ask.
	check func(ctx context.Context, s *Store, q Querier) error

	schema []string // each upgrades to the version that is its place, counted from 1
	noted  string   // notes a version, which several processes may do at once; "": one at a time does
	wal    string   // run before Migrate's transaction; "": nothing
	lock   string   // keeps other processes out of Migrate's transaction; "": it is alone anyway
	unlock string   // "": lock ends with the transaction

	list          string    // a query of the texts in the JSON array @list
	queues        [3]string // what stands after "from" for what is ready, what waits and what is leased
	insertWebhook string    // adds none if there is one with its id: changes no row, or fails by isDuplicate

	enqueue script // returns the ids that were new; with fresh, those that are there now and whether each is new
	fresh   string // adds all, or fails by isDuplicate; "": enqueue does
	born    script // the same where all of a batch is born leased; nil: enqueue does
	erase   script
	apply   script // returns the ids that had their lease
	end     script // the same where all of a batch ends, but for what is in a queue; nil: apply does

	idle    string // whether nothing is ready nor has come due, and whether no lease has ended
	promote string // makes up to @n ready that have come due, the longest due first
	lanes   string // the next @n webhooks from @from on that have ready rows, since when, and whether they are held
	onward  string // the same beyond the ends of a trail, @past; "": what was taken is in nobody's way
	pick    string // keys of up to @n ready rows of @webhook; "": take picks by itself
	take    script // claims what was picked, or up to @limit rows of the lanes in @rows

	lease   string // writes a lease; "": enqueue and take do
	ended   string // up to @n leases that have ended, the longest ended first
	lapse   string // makes ready what is left of leases
	unlease string // removes leases

	// confirm returns once everything committed before is as durable as a commit
	// is, and whether that took one; "": it is as soon as it can be seen.
	confirm string

	// takesAlone says that take commits by itself, so that what it has leased
	// stays leased whatever follows.
	takesAlone bool

	prune  string
	prunes int // so many in one transaction; 0: all that are asked for

	isNoTable   func(error) bool
	isDuplicate func(error) bool // a row with its key is there; nil: statements do not fail by that
	isBrokenOff func(error) bool // a deadlock and the like: worth another try
}

// A script is done in one transaction. One of its steps has a result, which
// is not needed if one before it has changed all rows of a batch.
type script []step

type step struct {
	text string
	rows bool // has the result
	all  bool // spares it
}

// result is a script of one statement, which has a result.
func result(text string) script { return script{{text: text, rows: true}} }

// statements are a dialect's, prepared.
type statements struct {
	insertWebhook, updateWebhook statement
	enqueue, born                prepared
	fresh                        statement
	erase, apply, end            prepared
	idle, promote, lanes, onward statement
	pick                         statement
	take                         prepared
	lease, ended, lapse, unlease statement
	prune, pruneWebhooks         statement
}

type prepared []struct {
	statement
	rows, all bool
}

func (d *dialect) statements(prefix string) statements {
	one := func(text string) statement { return d.prepare(prefix, text) }
	all := func(s script) (list prepared) {
		for _, st := range s {
			list = append(list, struct {
				statement
				rows, all bool
			}{one(st.text), st.rows, st.all})
		}
		return list
	}
	return statements{
		insertWebhook: one(d.insertWebhook), updateWebhook: one(updateWebhook),
		enqueue: all(d.enqueue), born: all(d.born), fresh: one(d.fresh),
		erase: all(d.erase), apply: all(d.apply), end: all(d.end),
		idle: one(d.idle), promote: one(d.promote), lanes: one(d.lanes), onward: one(d.onward), pick: one(d.pick),
		take:  all(d.take),
		lease: one(d.lease), ended: one(d.ended), lapse: one(d.lapse), unlease: one(d.unlease),
		prune: one(d.prune), pruneWebhooks: one(pruneWebhooks),
	}
}

// What all databases say alike.
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
