package sqlstore

// On PostgreSQL the queues are tables of their own, small ones, beside the
// deliveries.
//
// An update there writes a new row, and enters it in each index of the table
// unless no indexed column changed and the page has room. So nothing that
// changes in the deliveries is indexed, and pages are left room: an attempt's
// outcome costs no index entry, and what it leaves behind is cleared away by
// whoever reads the page next, not by a vacuum of a log of millions. The
// vacuuming is for the queues, which are small enough to be vacuumed often.
//
// The deliveries have the truth. An entry of a queue counts while its delivery
// is pending and has the entry's due; others are removed when they are met.
// (One is left when a delivery is changed in the moment that it is made ready:
// the change still sees it waiting, or leased.) Every pending delivery has an entry that
// counts, for both are always written in one transaction.
//
// A delivery notes whether it is queued, in ready or waiting, so that an
// outcome looks for its entry only if it has one, and that of a leased delivery
// writes to one table alone. An update returns what it has written, so it also
// notes the due of the entry to remove, as gone.
//
// Claiming and promoting skip what is locked, so they wait for nobody; the
// others lock deliveries in order of id. So hardly any wait in a circle.
var postgres = dialect{
	numbered:   "$",
	keepsPlans: true,
	check:      checkPostgres,
	takesAlone: true,
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

	list: `select v collate "C" from json_array_elements_text(cast(@list as json)) v`,
	queues: [3]string{`{}ready where true`, `{}waiting where true`, `(
  select distinct d.id, d.due, d.webhook
  from {}leases l, json_array_elements_text(l.ids) i, {}deliveries d
  where d.id = i and d.state = 'pending' and not d.queued and d.due between l.due and l.last) l where true`},

	insertWebhook: `
insert into {}webhooks (id, account, list, hold, changed, deleted, version, doc)
values (@id, @account, @list, @hold, @changed, @deleted, 1, @doc)
on conflict (id) do nothing`,

	// A listener is told of what is due now. What was leased from the start is
	// in the hands of the process that enqueued it. (pg_notify returns nothing,
	// as a text.)
	enqueue: result(postgresAdds("s = 'pending' and not (l > 0 and d > @clock)") + `, leased as (
  insert into {}leases (due, token, last, ids)
  select min(due), @token, max(due), json_agg(id) from added where state = 'pending' and not queued group by due / 1000
), waits as (
  insert into {}waiting (due, id, webhook)
  select due, id, webhook from added where queued and due > @clock
  on conflict do nothing
), due as (
  insert into {}ready (webhook, due, id)
  select webhook, due, id from added where queued and due <= @clock
  on conflict do nothing
  returning 1
)
select id || coalesce((select cast(pg_notify(@wake, '') as text) where exists (select 1 from due)), '') from added` +
		confirmation("added")),

	born: result(postgresAdds("false") + `, leased as (
  insert into {}leases (due, token, last, ids)
  select min(due), @token, max(due), json_agg(id) from added group by due / 1000
)
select id from added` + confirmation("added")),

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
), unwaits as (
  delete from {}waiting t using changed c
  where t.due = gone and t.id = c.id and not (queued and c.due = gone and c.due > @clock)
), undue as (
  delete from {}ready t using changed c
  where t.webhook = c.webhook and t.due = gone and t.id = c.id and not (queued and c.due = gone and c.due <= @clock)
), waits as (
  insert into {}waiting (due, id, webhook)
  select due, id, webhook from changed where queued and due > @clock
  on conflict do nothing
), due as (
  insert into {}ready (webhook, due, id)
  select webhook, due, id from changed where queued and due <= @clock
  on conflict do nothing
)
select id from changed` + confirmation("changed")),

	end: result(`
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
with come as (
  select due, id from {}waiting where due >= @since and due <= @now order by due, id limit @n for update skip locked
), gone as (
  delete from {}waiting t using come where t.due = come.due and t.id = come.id returning t.webhook, t.due, t.id
)
insert into {}ready (webhook, due, id) select webhook, due, id from gone
on conflict do nothing`,

	lanes: `
with recursive walk (webhook, due, n) as (
  select * from (
    select webhook, due, 1 from {}ready where webhook >= @from order by webhook, due limit 1) f
  union all
  select next.webhook, next.due, n + 1 from walk, lateral (
    select r.webhook, r.due from {}ready r where r.webhook > walk.webhook order by r.webhook, r.due limit 1) next
  where n < @n)
select webhook, due, coalesce((select hold > @now from {}webhooks where id = walk.webhook), false)
from walk order by n`,

	onward: `
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
    select r.webhook, r.due, r.id, d.state = 'pending' and d.due = r.due as counts
    from {}ready r join {}deliveries d on d.id = r.id
    where r.webhook = w and r.due >= d and r.due <= @now
    order by r.due, r.id limit n
    for update of r, d skip locked
  ) r limit @limit
), gone as (
  delete from {}ready t using picked p where t.webhook = p.webhook and t.due = p.due and t.id = p.id
), leased as (
  insert into {}leases (due, token, last, ids)
  select @until, @token, @until, json_agg(id) from picked where counts having count(*) > 0
)
update {}deliveries set lease = lease + 1, due = @until, queued = false
from picked p where {}deliveries.id = p.id and counts
returning ` + `{}deliveries.id, account, {}deliveries.webhook, event, type, created, state, {}deliveries.due, lease, attempts, ` + documents),

	ended: `
select due, last, token, cast(ids as text) from {}leases
where due >= @since and due <= @now order by due, token limit @n for update skip locked`,

	// What is locked is being changed. It is made ready all the same, for the
	// change may be rolled back.
	lapse: `
with rest as materialized (
  select webhook, due, id
  from json_to_recordset(cast(@rows as json)) as j (i text, d bigint, e bigint), {}deliveries
  where id = i and state = 'pending' and not queued and due between d and e
), free as (
  select d.id from rest r, {}deliveries d
  where d.id = r.id and d.due = r.due and state = 'pending' and not queued
  for update of d skip locked
), noted as (
  update {}deliveries d set queued = true from free where d.id = free.id
)
insert into {}ready (webhook, due, id) select distinct webhook, due, id from rest order by webhook, due, id
on conflict do nothing`,

	unlease: `
with vacant as (
  select l.due, l.token
  from json_to_recordset(cast(@rows as json)) as j (d bigint, t bigint), {}leases l where l.due = d and l.token = t
  for update of l skip locked
)
delete from {}leases l using vacant v where l.due = v.due and l.token = v.token`,

	prune: `
delete from {}deliveries where id in (
  select id from {}deliveries
  where created < @before and state <> 'pending' and due < @before order by created limit @n
  for update skip locked)`,

	isNoTable: func(err error) bool { return sqlState(err) == "42P01" },
	isBrokenOff: func(err error) bool {
		switch sqlState(err) {
		case "40001", "40P01", "55P03": // serialization, deadlock, lock not available
			return true
		}
		return false
	},
}

// awaitsStandbys is whether a commit may wait for standbys.
const awaitsStandbys = `current_setting('synchronous_standby_names') <> ''`

// confirmation is added to a statement that has written the rows of a table, as
// a part of its result that is always empty. If it has written none, its commit
// would wait for no standby: so it writes a message. See written.
func confirmation(table string) string {
	return `
union all
select '' where case
  when exists (select 1 from ` + table + `) then false
  when ` + awaitsStandbys + ` then pg_logical_emit_message(true, 'listhook', '') is null
  else false end`
}

// postgresAdds begins a statement that adds deliveries, for which queued says
// whether they are in a queue.
func postgresAdds(queued string) string {
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
