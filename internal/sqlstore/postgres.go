package sqlstore

// postgres is the dialect of PostgreSQL. Its ready and waiting queues are small tables
// of their own.
//
// An update in PostgreSQL writes a new row version. It also writes an entry to each
// index of the table, unless no indexed column changed and the page has room (a
// heap-only update). So no column of the deliveries that changes is indexed, but for
// failure, which only attempts that fail change, and pages keep free room. An outcome
// then writes no index entry, and the next reader of the page removes the old version,
// without a vacuum of a log of millions. Only the queues need vacuuming, and they are
// small enough to be vacuumed often.
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
// others lock deliveries in order of ID. So deadlocks are rare.
var postgres = dialect{
	numbered:    "$",
	keepsPlans:  true,
	check:       checkPostgres,
	takeCommits: true,
	confirm: `
select pg_logical_emit_message(true, 'listhook', '') is not null and current_setting('synchronous_standby_names') <> ''`,

	schema: postgresSchema,
	lock:   `select pg_advisory_xact_lock(hashtextextended(current_schema() || @name, 0))`,

	textList: `select v collate "C" from json_array_elements_text(cast(@list as json)) v`,
	byID:     postgresByID,
	queues: [4]string{`{}ready where true`, `{}waiting where true`, `(
  select d.id, d.due, d.webhook from {}deliveries d
  where d.id = any(array(select i from {}leases l, json_array_elements_text(l.ids) i))
    and d.state = 'pending' and not d.queued) l where true`, parked(postgresByID, "queued", `
    select l.id, l.webhook from {}lines l
    where exists (
      select 1 from {}lines h where h.webhook = l.webhook and h.line_key = l.line_key and h.place < l.place)`)},

	insertWebhook: `
insert into {}webhooks (id, account, list, hold, changed, deleted, version, doc, put, tallies)
select @id, @account, @list, @hold, @changed, @deleted, 1, @doc, n, cast(@tallies as bytea) from {}puts
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
select id || ` + postgresWake + ` from added` + confirmIfEmpty("added")),

	enqueueReady: result(postgresInsert("true") + `, new_ready as (
  insert into {}ready (webhook, due, id) select webhook, due, id from added
  on conflict do nothing
  returning 1
)
select id || ` + postgresWake + ` from added` + confirmIfEmpty("added")),

	enqueueOne: result(postgresInsertOne + confirmIfEmpty("added")),

	enqueuePreLeased: result(postgresInsert("false") + `, leased as (
  insert into {}leases (due, token, last, ids)
  select min(due), @token, max(due), json_agg(id) from added group by due / 1000
)
select id from added` + confirmIfEmpty("added")),

	enqueueExtras: result(`
with rows as materialized (
  select * from json_to_recordset(cast(@rows as json)) as j (
    i text, a text, w text, e text, t text, c bigint, s text, d bigint, l bigint, n integer, o integer,
    q text, y bigint, z bigint, f text, u json,
    b integer, bn integer, h integer, hn integer, g integer, gn integer)
), added as (
  insert into {}deliveries (
    id, account, webhook, event, type, created, state, due, lease, attempts, queued, body, carrier, log,
    line_key, joined, event_time, failure, subjects)
  select i, a, w, e, t, c, s, d, l, n, s = 'pending' and (q is not null or not (l > 0 and d > @clock)),
    substr(cast(@bytes as bytea), b, bn), substr(cast(@bytes as bytea), h, hn), substr(cast(@bytes as bytea), g, gn),
    q, y, z, f, cast(u as text)
  from rows order by i collate "C"
  on conflict (id) do nothing
  returning id, account, webhook, created, state, due, queued, line_key, joined
), leased as (
  insert into {}leases (due, token, last, ids)
  select min(due), @token, max(due), json_agg(id) from added where state = 'pending' and not queued group by due / 1000
), new_waiting as (
  insert into {}waiting (due, id, webhook)
  select due, id, webhook from added where queued and line_key is null and due > @clock
  on conflict do nothing
), new_ready as (
  insert into {}ready (webhook, due, id)
  select webhook, due, id from added where queued and line_key is null and due <= @clock
  on conflict do nothing
  returning 1
), line_joined as (
  insert into {}line_events (kind, webhook, line_key, id, joined)
  select 1, webhook, line_key, id, joined from added join rows on i = id
  where queued and line_key is not null order by o
  returning 1
), new_subjects as (
  insert into {}subjects (subject, account, created, id)
  select v, account, created, id from rows join added on i = id, json_array_elements_text(u) v where u is not null
  on conflict do nothing
)
select id || coalesce((select cast(pg_notify(@wake, '') as text)
  where @wake <> '' and (exists (select 1 from new_ready) or exists (select 1 from line_joined))), '') from added` + confirmIfEmpty("added")),

	erase: script{{text: `
delete from {}subjects s using (
  select v, account, created, id
  from json_to_recordset(cast(@rows as json)) as j (i text, l bigint, x boolean), {}deliveries,
    json_array_elements_text(cast(subjects as json)) v
  where id = i and lease = l and x and subjects is not null) d
where s.subject = d.v and s.account = d.account and s.created = d.created and s.id = d.id`}, {text: `
update {}deliveries set body = '', carrier = '', log = '', failure = null, subjects = null
from json_to_recordset(cast(@rows as json)) as j (i text, l bigint, x boolean)
where id = i and lease = l and x`}},

	apply: result(`
with changed as (
  update {}deliveries
  set state = s, due = d, lease = lease + 1, attempts = n,
    log = case when gx then '' else log end || substr(cast(@bytes as bytea), g, gn),
    failure = case when gn > 0 then f else failure end,
    queued = s = 'pending', gone = case when queued then due end,
    stood = case when line_key is not null and (passed_over is null or state <> 'pending') then state = 'pending' end,
    line_key = case when x is null then line_key end,
    passed_over = case when line_key is null or x then null when v then true
      when state = 'pending' or s <> 'pending' then passed_over end,
    joined = case when line_key is not null and x is null and v is null and state <> 'pending' and s = 'pending' then y else joined end,
    body = case when p then '' else body end
  from json_to_recordset(cast(@rows as json)) as j (
    i text, l bigint, s text, d bigint, n integer, o integer, v boolean, x boolean, p boolean, y bigint, f text, g integer, gn integer, gx boolean)
  where id = i and lease = l
  returning id, webhook, state, due, queued, gone, ` + waitsByKey + ` as line_key, stood, sequence, {}deliveries.joined, o,
    queued and (line_key is null or passed_over or stood and gone is null) as enters
), line_changed as (
  insert into {}line_events (kind, webhook, line_key, id, joined)
  select kind, webhook, line_key, id, joined from (
    select case
      when stood and (state <> 'pending' or line_key is null) then case when sequence is null then 3 else 2 end
      when stood and gone <> due then 4
      when not stood and state = 'pending' and line_key is not null then 1
    end as kind, c.* from changed c where stood is not null) c
  where kind is not null order by o
), old_waiting as (
  delete from {}waiting t using changed c
  where t.due = gone and t.id = c.id and not (queued and c.due = gone and (c.due > @clock or line_key is not null))
), old_ready as (
  delete from {}ready t using changed c
  where t.webhook = c.webhook and t.due = gone and t.id = c.id and not (queued and c.due = gone and (c.due <= @clock or line_key is not null))
), new_waiting as (
  insert into {}waiting (due, id, webhook)
  select due, id, webhook from changed where enters and due > @clock
  on conflict do nothing
), new_ready as (
  insert into {}ready (webhook, due, id)
  select webhook, due, id from changed where enters and due <= @clock
  on conflict do nothing
)
select id from changed` + confirmIfEmpty("changed")),

	unkeyedFinal: true,
	applyUnkeyed: result(`
update {}deliveries
set state = s, due = d, lease = lease + 1, attempts = n, log = log || substr(cast(@bytes as bytea), g, gn),
  failure = case when gn > 0 then f else failure end, body = case when p then '' else body end
from json_to_recordset(cast(@rows as json)) as j (
  i text, l bigint, s text, d bigint, n integer, p boolean, f text, g integer, gn integer)
where id = i and lease = l and not queued and line_key is null
returning id`),

	applyFinal:    result(postgresApplyFinal + confirmIfEmpty("changed")),
	applyInTurn:   result(postgresApplyInTurn),
	enqueueInTurn: result(postgresEnqueueInTurn),

	lockLines: result(`
select n from (
  select set_config('lock_timeout', @timeout, true), set_config('idle_in_transaction_session_timeout', '10000', true),
    set_config('synchronous_commit', case when @durable then current_setting('synchronous_commit') else 'off' end, true),
    cast(pg_advisory_xact_lock(hashtextextended(current_schema() || @name, 0)) as text),
    case when cast(@least as bigint) < 0 then 0 else setval('{}steps', greatest(nextval('{}steps'), @least)) end as n offset 0) l`),

	raiseStep: result(`select setval('{}steps', @step)`),

	takesLines: true,
	takeLineEvents: `
with next as materialized (
  select n, kind, webhook, line_key from {}line_events where n >= @from order by n limit @n
), earlier as materialized (
  select e.n from (select distinct webhook as w, line_key as k from next where kind = 1) j, lateral (
    select n from {}line_events where webhook = w and line_key = k and kind = 1 and n < @from offset 0) e
), taken as (
  delete from {}line_events where n in (select n from next union all select n from earlier)
  returning n, kind, webhook, line_key, id, joined
), removed as (
  delete from {}lines where ctid = any (array(
    select l.ctid from (select distinct id from taken where kind in (2, 3)) t, lateral (
      select ctid from {}lines where id = t.id offset 0) l))
  returning webhook, line_key, place, id
)
select n, cast(kind as integer), webhook, coalesce(line_key, ''), id, coalesce(joined, ` + noTime + `) from taken
union all
select place, 0, webhook, line_key, id, 0 from removed`,

	takeLateJoins: `
delete from {}line_events
where kind = 1 and n < @from and id in (select json_array_elements_text(cast(@rows as json)))
returning n, cast(kind as integer), webhook, line_key, id, coalesce(joined, ` + noTime + `)`,

	leaveLines: result(`
delete from {}lines where ctid = any (array(
  select l.ctid from json_array_elements_text(cast(@rows as json)) i, lateral (
    select ctid from {}lines where id = i offset 0) l))
returning webhook, line_key, place, id`),

	numberDeliveries: `
update {}deliveries set sequence = p from json_to_recordset(cast(@rows as json)) as j (i text, p bigint)
where id = i and sequence is null`,

	enterFirst: result(`
with new_lines as (
  insert into {}lines (webhook, line_key, place, id, joined)
  select w, k, p, i, y from json_to_recordset(cast(@joined as json)) as j (w text, k text, p bigint, i text, y bigint)
), entering as materialized (
  select d.webhook, d.due, d.id
  from json_to_recordset(cast(@rows as json)) as j (w text, k text, p bigint, i text) left join lateral (
    select place, id from {}lines where webhook = w and line_key = k order by place limit 1) l on true
    ` + postgresParked(`coalesce(l.id, i)`) + `
  where place is null or place > p
), new_waiting as (
  insert into {}waiting (due, id, webhook)
  select due, id, webhook from entering where due > @now
  on conflict do nothing
), new_ready as (
  insert into {}ready (webhook, due, id)
  select webhook, due, id from entering where due <= @now
  on conflict do nothing
)
select webhook, due from entering where due <= @now`),

	leaseFirst: result(postgresLeaseFirst),

	idle: `
select not exists (select 1 from {}ready),
  not exists (select 1 from {}waiting where due >= @since and due <= @now),
  not exists (select 1 from {}leases where due >= @since and due <= @now),
  not exists (select 1 from {}line_events where n >= @events)`,

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
    select r.webhook, r.due, r.id, ` + waitsByKey + ` as k, d.state = 'pending' and d.due = r.due as fits
    from {}ready r join {}deliveries d on d.id = r.id
    where r.webhook = w and r.due >= d and r.due <= @now
    order by r.due, r.id limit n
    for update of r, d skip locked
  ) r limit @limit
), placed as materialized (
  select p.id, place, fits and (k is null or l.id is not distinct from p.id) as applies
  from picked p left join lateral (
    select place, id from {}lines where webhook = p.webhook and line_key = k order by place limit 1) l on true
), old_ready as (
  delete from {}ready t using picked p where t.webhook = p.webhook and t.due = p.due and t.id = p.id
), leased as (
  insert into {}leases (due, token, last, ids)
  select @until, @token, @until, json_agg(id) from placed where applies having count(*) > 0
)
update {}deliveries set lease = lease + 1, due = @until, queued = false, sequence = coalesce(sequence, place)
from placed p where {}deliveries.id = p.id and applies
returning {}deliveries.` + claimColumns),

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

	deleteSubjects: `
delete from {}subjects t using json_to_recordset(cast(@rows as json)) as j (s text, a text, c bigint, i text)
where subject = s and account = a and created = c and id = i`,

	prune: pruning{`
delete from {}deliveries where id in (
  select id from {}deliveries
  where created < @before and state <> 'pending' and due < @before`, ` order by created limit @n
  for update skip locked)
returning account, created, id, subjects`},

	isNoTable: func(err error) bool { return sqlState(err) == "42P01" },
	isRetryable: func(err error) bool {
		switch sqlState(err) {
		case "40001", "40P01", "55P03": // serialization, deadlock, lock not available
			return true
		}
		return false
	},
	isLocked: func(err error) bool { return sqlState(err) == "55P03" },
}
