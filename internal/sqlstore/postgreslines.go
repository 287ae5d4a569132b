package sqlstore

// postgresByID is dialect.byID. "offset 0" keeps the planner from reading deliveries first:
// without statistics it expects hardly any that are pending, and goes through all earlier
// rows for each one. The condition must not imply that of a partial index, which the
// planner may take to be empty.
func postgresByID(id, is string) string {
	return `cross join lateral (select * from {}deliveries where id = ` + id + ` and ` + is + ` offset 0) d`
}

// postgresParked selects the delivery with an ID, of earlier tables of the query, if it is
// in no queue until it is the first of its line.
func postgresParked(id string) string {
	return postgresByID(id, `state = 'pending' and queued and `+waitsByKey+` is not null`)
}

// postgresLeaseFirst leases the new first deliveries of lines that are due, as many of
// each webhook as @rows says, the longest due first. It makes ready those that another
// transaction is changing, and those of held webhooks.
var postgresLeaseFirst = `
with new_lines as (
  insert into {}lines (webhook, line_key, place, id, joined)
  select w, k, p, i, y from json_to_recordset(cast(@joined as json)) as j (w text, k text, p bigint, i text, y bigint)
), entering as materialized (
  select d.webhook, d.due, d.id, coalesce(place, f) as place,
    d.due <= @now and row_number() over (partition by d.webhook order by d.due, d.id) <= n as fits
  from json_to_recordset(cast(@rows as json)) as j (w text, k text, p bigint, i text, f bigint, n integer) left join lateral (
    select place, id from {}lines where webhook = w and line_key = k order by place limit 1) l on true
    ` + postgresParked(`coalesce(l.id, i)`) + `
  where place is null or place > p
), leasing as materialized (
  select d.id, place from entering e, {}deliveries d
  where fits and d.id = e.id and d.due = e.due and d.state = 'pending' and d.queued and ` + waitsByKey + ` is not null
    and coalesce((select hold from {}webhooks where id = e.webhook), @now) <= @now
  for update of d skip locked
), new_lease as (
  insert into {}leases (due, token, last, ids)
  select @until, @token, @until, json_agg(id) from leasing having count(*) > 0
), new_waiting as (
  insert into {}waiting (due, id, webhook)
  select due, id, webhook from entering where due > @now
  on conflict do nothing
), new_ready as (
  insert into {}ready (webhook, due, id)
  select webhook, due, id from entering where due <= @now and id not in (select id from leasing)
  on conflict do nothing
  returning webhook, due
), leased as (
  update {}deliveries set lease = lease + 1, due = @until, queued = false, sequence = coalesce(sequence, place)
  from leasing l where {}deliveries.id = l.id
  returning {}deliveries.` + claimColumns + `
)
select * from leased
union all
select '', '', webhook, '', '', 0, '', due, 0, 0, null, null, null, null, null, null, null, cast('' as bytea), cast('' as bytea) from new_ready`

// postgresEnd gives leased deliveries their final state.
const postgresEnd = `
  update {}deliveries
  set state = s, due = d, lease = lease + 1, attempts = n, log = log || substr(cast(@bytes as bytea), g, gn),
    failure = case when gn > 0 then f else failure end, body = case when p then '' else body end
  from json_to_recordset(cast(@rows as json)) as j (
    i text, l bigint, s text, d bigint, n integer, p boolean, f text, g integer, gn integer)
  where id = i and lease = l and not queued and (line_key is null or state = 'pending')
`

// postgresApplyFinal ends leased deliveries, with and without a key.
const postgresApplyFinal = `
with changed as (` + postgresEnd + `  returning id, ` + waitsByKey + ` as line_key, sequence
), line_left as (
  insert into {}line_events (kind, webhook, id)
  select case when sequence is null then 3 else 2 end, '', id from changed where line_key is not null
)
select id from changed`

// postgresApplyInTurn is postgresApplyFinal for the holder of the lock on lines: it
// removes the deliveries that ended from their lines, and enters the next of each line into
// a queue. It returns these without an ID.
var postgresApplyInTurn = `
with changed as (` + postgresEnd + `  returning id, ` + waitsByKey + ` as line_key
), removed as (
  delete from {}lines where ctid = any (array(
    select l.ctid from (select id from changed where line_key is not null) c, lateral (
      select ctid from {}lines where id = c.id offset 0) l))
  returning webhook, line_key, place
), entering as materialized (
  select d.webhook, d.due, d.id
  from (select webhook, line_key, max(place) as place from removed group by webhook, line_key) r, lateral (
    select id from {}lines l
    where l.webhook = r.webhook and l.line_key = r.line_key and l.place > r.place order by l.place limit 1) n
    ` + postgresParked(`n.id`) + `
), new_waiting as (
  insert into {}waiting (due, id, webhook)
  select due, id, webhook from entering where due > @clock
  on conflict do nothing
), new_ready as (
  insert into {}ready (webhook, due, id)
  select webhook, due, id from entering where due <= @clock
  on conflict do nothing
)
select id, '', cast(0 as bigint) from changed
union all
select '', webhook, due from entering`

// postgresEnqueueInTurn adds deliveries for the holder of the lock on lines. Those with a
// key join their lines at once, and the first of a line is leased until its m, if it has
// one. A delivery joins by an event if it is the second of its line in the call, since the
// first may be stored already, or if the event of one that joined before is not taken yet.
// It returns the IDs of the new deliveries, and the Sequence of those that were leased.
const postgresEnqueueInTurn = `
with placed as materialized (
  select *, (currval('{}steps') << cast(@bits as integer)) + o - 1 as place,
    q is not null and s = 'pending' and row_number() over (partition by w, q, s order by o) = 1
    and not exists (select 1 from {}line_events where webhook = w and line_key = q and kind = 1) as joins
  from json_to_recordset(cast(@rows as json)) as j (
    i text, a text, w text, e text, t text, c bigint, s text, d bigint, l bigint, n integer, o integer,
    q text, y bigint, z bigint, f text, u json, m bigint,
    b integer, bn integer, h integer, hn integer, g integer, gn integer)
), rows as materialized (
  select *, joins and (select 1 from {}lines where webhook = w and line_key = q limit 1) is null as first from placed
), added as (
  insert into {}deliveries (
    id, account, webhook, event, type, created, state, due, lease, attempts, queued, body, carrier, log,
    line_key, joined, event_time, failure, subjects, sequence)
  select i, a, w, e, t, c, s, case when first and m is not null then m else d end, case when first and m is not null then l + 1 else l end, n,
    s = 'pending' and not (first and m is not null) and (q is not null or not (l > 0 and d > @clock)),
    substr(cast(@bytes as bytea), b, bn), substr(cast(@bytes as bytea), h, hn), substr(cast(@bytes as bytea), g, gn),
    q, y, z, f, cast(u as text), case when first then place end
  from rows order by i collate "C"
  on conflict (id) do nothing
  returning id, account, webhook, created, state, due, queued, line_key, joined, sequence
), leased as (
  insert into {}leases (due, token, last, ids)
  select min(due), @token, max(due), json_agg(id) from added where state = 'pending' and not queued group by due / 1000
), new_waiting as (
  insert into {}waiting (due, id, webhook)
  select due, id, webhook from added where queued and (line_key is null or sequence is not null) and due > @clock
  on conflict do nothing
), new_ready as (
  insert into {}ready (webhook, due, id)
  select webhook, due, id from added where queued and (line_key is null or sequence is not null) and due <= @clock
  on conflict do nothing
  returning 1
), new_lines as (
  insert into {}lines (webhook, line_key, place, id, joined)
  select w, q, place, i, coalesce(y, ` + noTime + `) from added join rows on i = id where joins
), line_joined as (
  insert into {}line_events (kind, webhook, line_key, id, joined)
  select 1, webhook, line_key, id, added.joined from added join rows on i = id
  where queued and line_key is not null and not joins order by o
  returning 1
), new_subjects as (
  insert into {}subjects (subject, account, created, id)
  select v, account, created, id from rows join added on i = id, json_array_elements_text(u) v where u is not null
  on conflict do nothing
)
select id || coalesce((select cast(pg_notify(@wake, '') as text)
  where @wake <> '' and (exists (select 1 from new_ready) or exists (select 1 from line_joined))), ''),
  case when queued then 0 else coalesce(sequence, 0) end from added`
