package sqlstore

// postgres is the dialect of PostgreSQL. Its ready and waiting queues are small tables
// of their own.
//
// An update in PostgreSQL writes a new row version. It also writes an entry to each
// index of the table, unless no indexed column changed and the page has room (a
// heap-only update). So no column of the deliveries that changes is indexed, and
// pages keep free room. An attempt's outcome then writes no index entry, and the next
// reader of the page removes the old version, without a vacuum of a log of millions.
// Only the queues need vacuuming, and they are small enough to be vacuumed often.
//
// The deliveries are the truth. An entry of a queue applies while its delivery is
// pending and has the entry's due. A claim deletes the other entries that it meets:
// one is left behind if a delivery changes while it is made ready, because the change
// still sees it waiting or leased. Every pending delivery has an entry that applies,
// because both are written in one transaction.
//
// The column queued is true for a delivery in ready or waiting. So an outcome deletes
// an entry only if there is one, and that of a leased delivery writes to one table
// only. An update returns the new values, so the column gone keeps the due of the
// entry to delete.
//
// Claiming and promoting skip locked rows, so they wait for no other transaction. The
// other statements lock deliveries in order of ID. So deadlocks are rare.
var postgres = dialect{
	numbered:    "$",
	keepsPlans:  true,
	check:       checkPostgres,
	takeCommits: true,
	confirm: `
select case when ` + awaitsStandbys + ` then pg_logical_emit_message(true, 'listhook', '') is not null else false end`,

	schema: []string{`
create table {}webhooks (
  id      text collate "C" not null primary key,
  account text collate "C" not null,
  list    text collate "C" not null,
  hold    bigint not null,
  changed bigint not null,
  deleted smallint not null,
  version bigint not null,
  doc     text not null
);
create index {}webhooks_account on {}webhooks (account, list);
create index {}webhooks_changed on {}webhooks (changed);
create table {}deliveries (
  id       text collate "C" not null primary key,
  account  text collate "C" not null,
  webhook  text collate "C" not null,
  event    text collate "C" not null,
  type     text collate "C" not null,
  created  bigint not null,
  state    text collate "C" not null,
  due      bigint not null,
  lease    bigint not null,
  gone     bigint,
  attempts integer not null,
  queued   boolean not null,
  body     bytea not null,
  carrier  bytea not null,
  log      bytea not null
) with (fillfactor = 40, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
create index {}deliveries_log on {}deliveries (account, created, webhook);
create index {}deliveries_created on {}deliveries (created);
create table {}ready (
  webhook text collate "C" not null,
  due     bigint not null,
  id      text collate "C" not null,
  primary key (webhook, due, id)
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
create table {}waiting (
  due     bigint not null,
  id      text collate "C" not null,
  webhook text collate "C" not null,
  primary key (due, id)
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
create table {}leases (
  due     bigint not null,
  token   bigint not null,
  last    bigint not null,
  ids     json not null,
  primary key (due, token)
) with (
  autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0,
  toast.autovacuum_vacuum_scale_factor = 0.01, toast.autovacuum_vacuum_threshold = 1000, toast.autovacuum_vacuum_cost_delay = 0);
alter table {}leases alter ids set storage external;
`},
	lock: `select pg_advisory_xact_lock(hashtextextended(current_schema() || @name, 0))`,

	textList: `select v collate "C" from json_array_elements_text(cast(@list as json)) v`,
	queues: [3]string{`{}ready where true`, `{}waiting where true`, `(
  select distinct d.id, d.due, d.webhook
  from {}leases l, json_array_elements_text(l.ids) i, {}deliveries d
  where d.id = i and d.state = 'pending' and not d.queued and d.due between l.due and l.last) l where true`},

	insertWebhook: `
insert into {}webhooks (id, account, list, hold, changed, deleted, version, doc)
values (@id, @account, @list, @hold, @changed, @deleted, 1, @doc)
on conflict (id) do nothing`,

	// Listeners are notified of deliveries that are due now, but not of pre-leased
	// ones, which the process that enqueued them delivers, nor in the app's
	// transactions: @wake is empty then. PostgreSQL commits the transactions that notify
	// one after another, each with a wait for its disk. (pg_notify returns an empty
	// text.)
	enqueue: result(postgresInsert("s = 'pending' and not (l > 0 and d > @clock)") + `, leased as (
  insert into {}leases (due, token, last, ids)
  select min(due), @token, max(due), json_agg(id) from added where state = 'pending' and not queued group by due / 1000
), new_waiting as (
  insert into {}waiting (due, id, webhook)
  select due, id, webhook from added where queued and due > @clock
  on conflict do nothing
), new_ready as (
  insert into {}ready (webhook, due, id)
  select webhook, due, id from added where queued and due <= @clock
  on conflict do nothing
  returning 1
)
select id || coalesce((select cast(pg_notify(@wake, '') as text) where @wake <> '' and exists (select 1 from new_ready)), '') from added` +
		confirmIfEmpty("added")),

	enqueuePreLeased: result(postgresInsert("false") + `, leased as (
  insert into {}leases (due, token, last, ids)
  select min(due), @token, max(due), json_agg(id) from added group by due / 1000
)
select id from added` + confirmIfEmpty("added")),

	erase: script{{text: `
update {}deliveries set body = '', carrier = '', log = ''
from json_to_recordset(cast(@rows as json)) as j (i text, l bigint, x boolean)
where id = i and lease = l and x`}},

	apply: result(`
with changed as (
  update {}deliveries
  set state = s, due = d, lease = lease + 1, attempts = n, log = log || substr(cast(@bytes as bytea), g, gn),
    queued = s = 'pending', gone = case when queued then due end
  from json_to_recordset(cast(@rows as json)) as j (
    i text, l bigint, s text, d bigint, n integer, g integer, gn integer)
  where id = i and lease = l
  returning id, webhook, due, queued, gone
), old_waiting as (
  delete from {}waiting t using changed c
  where t.due = gone and t.id = c.id and not (queued and c.due = gone and c.due > @clock)
), old_ready as (
  delete from {}ready t using changed c
  where t.webhook = c.webhook and t.due = gone and t.id = c.id and not (queued and c.due = gone and c.due <= @clock)
), new_waiting as (
  insert into {}waiting (due, id, webhook)
  select due, id, webhook from changed where queued and due > @clock
  on conflict do nothing
), new_ready as (
  insert into {}ready (webhook, due, id)
  select webhook, due, id from changed where queued and due <= @clock
  on conflict do nothing
)
select id from changed` + confirmIfEmpty("changed")),

	applyFinal: result(`
update {}deliveries
set state = s, due = d, lease = lease + 1, attempts = n, log = log || substr(cast(@bytes as bytea), g, gn)
from json_to_recordset(cast(@rows as json)) as j (
  i text, l bigint, s text, d bigint, n integer, g integer, gn integer)
where id = i and lease = l and not queued
returning id`),

	idle: `
select not exists (select 1 from {}ready)
  and not exists (select 1 from {}waiting where due >= @since and due <= @now),
  not exists (select 1 from {}leases where due >= @since and due <= @now)`,

	promote: `
with come_due as (
  select due, id from {}waiting where due >= @since and due <= @now order by due, id limit @n for update skip locked
), promoted as (
  delete from {}waiting t using come_due c where t.due = c.due and t.id = c.id returning t.webhook, t.due, t.id
)
insert into {}ready (webhook, due, id) select webhook, due, id from promoted
on conflict do nothing`,

	readyWebhooks: `
with recursive walk (webhook, due, n) as (
  select * from (
    select webhook, due, 1 from {}ready where webhook >= @from order by webhook, due limit 1) f
  union all
  select next.webhook, next.due, n + 1 from walk, lateral (
    select r.webhook, r.due from {}ready r where r.webhook > walk.webhook order by r.webhook, r.due limit 1) next
  where n < @n)
select webhook, due, coalesce((select hold > @now from {}webhooks where id = walk.webhook), false)
from walk order by n`,

	seekFrom: `
with past as (
  select w, d, b from json_to_recordset(cast(@past as json)) as j (w text, d bigint, b text)
), found (webhook, due) as (
  select w, r.due from past, lateral (
    select due from {}ready where webhook = w and due >= d order by due limit 1) r
  union all
  select r.webhook, r.due from past, lateral (
    select webhook, due from {}ready where webhook > w and webhook < b order by webhook, due limit 1) r)
select webhook, due, coalesce((select hold > @now from {}webhooks where id = found.webhook), false)
from found where webhook >= @from order by webhook collate "C" limit @n`,

	take: result(`
with picked as materialized (
  select r.* from json_to_recordset(cast(@rows as json)) as j (w text, d bigint, n integer), lateral (
    select r.webhook, r.due, r.id, d.state = 'pending' and d.due = r.due as applies
    from {}ready r join {}deliveries d on d.id = r.id
    where r.webhook = w and r.due >= d and r.due <= @now
    order by r.due, r.id limit n
    for update of r, d skip locked
  ) r limit @limit
), old_ready as (
  delete from {}ready t using picked p where t.webhook = p.webhook and t.due = p.due and t.id = p.id
), leased as (
  insert into {}leases (due, token, last, ids)
  select @until, @token, @until, json_agg(id) from picked where applies having count(*) > 0
)
update {}deliveries set lease = lease + 1, due = @until, queued = false
from picked p where {}deliveries.id = p.id and applies
returning ` + `{}deliveries.id, account, {}deliveries.webhook, event, type, created, state, {}deliveries.due, lease, attempts, ` + documents),

	expiredLeases: `
select due, last, token, cast(ids as text) from {}leases
where due >= @since and due <= @now order by due, token limit @n for update skip locked`,

	// Another transaction is changing the locked deliveries. They get an entry in
	// ready too, because that transaction may be rolled back.
	expire: `
with outstanding as materialized (
  select webhook, due, id
  from json_to_recordset(cast(@rows as json)) as j (i text, d bigint, e bigint), {}deliveries
  where id = i and state = 'pending' and not queued and due between d and e
), unlocked as (
  select d.id from outstanding r, {}deliveries d
  where d.id = r.id and d.due = r.due and state = 'pending' and not queued
  for update of d skip locked
), marked as (
  update {}deliveries d set queued = true from unlocked u where d.id = u.id
)
insert into {}ready (webhook, due, id) select distinct webhook, due, id from outstanding order by webhook, due, id
on conflict do nothing`,

	deleteLeases: `
with unlocked as (
  select l.due, l.token
  from json_to_recordset(cast(@rows as json)) as j (d bigint, t bigint), {}leases l where l.due = d and l.token = t
  for update of l skip locked
)
delete from {}leases l using unlocked u where l.due = u.due and l.token = u.token`,

	prune: `
delete from {}deliveries where id in (
  select id from {}deliveries
  where created < @before and state <> 'pending' and due < @before order by created limit @n
  for update skip locked)`,

	isNoTable: func(err error) bool { return sqlState(err) == "42P01" },
	isRetryable: func(err error) bool {
		switch sqlState(err) {
		case "40001", "40P01", "55P03": // serialization, deadlock, lock not available
			return true
		}
		return false
	},
}

// awaitsStandbys is a condition: commits may wait for standbys.
const awaitsStandbys = `current_setting('synchronous_standby_names') <> ''`

// confirmIfEmpty is appended to a statement that writes the rows of a table, and
// returns no rows. If the statement has written none, its commit would wait for no
// standby, so it writes a message. See afterWrite.
func confirmIfEmpty(table string) string {
	return `
union all
select '' where case
  when exists (select 1 from ` + table + `) then false
  when ` + awaitsStandbys + ` then pg_logical_emit_message(true, 'listhook', '') is null
  else false end`
}

// postgresInsert begins a statement that inserts deliveries. The condition queued is
// true for those in the ready or waiting queue.
func postgresInsert(queued string) string {
	return `
with added as (
  insert into {}deliveries (
    id, account, webhook, event, type, created, state, due, lease, attempts, queued, body, carrier, log)
  select i, a, w, e, t, c, s, d, l, n, ` + queued + `,
    substr(cast(@bytes as bytea), b, bn), substr(cast(@bytes as bytea), h, hn), substr(cast(@bytes as bytea), g, gn)
  from json_to_recordset(cast(@rows as json)) as j (
    i text, a text, w text, e text, t text, c bigint, s text, d bigint, l bigint, n integer,
    b integer, bn integer, h integer, hn integer, g integer, gn integer)
  order by i collate "C"
  on conflict (id) do nothing
  returning id, webhook, state, due, queued
)`
}
