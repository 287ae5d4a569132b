package sqlstore

// postgresInsert begins a statement that inserts deliveries. The condition queued is
// true for those in the ready or waiting queue.
func postgresInsert(queued string) string {
	return `
with added as (
  insert into {}deliveries (
    id, account, webhook, event, type, created, state, due, lease, attempts, queued, body, carrier, log, event_time)
  select i, a, w, e, t, c, s, d, l, n, ` + queued + `,
    substr(cast(@bytes as bytea), b, bn), substr(cast(@bytes as bytea), h, hn), substr(cast(@bytes as bytea), g, gn), z
  from json_to_recordset(cast(@rows as json)) as j (
    i text, a text, w text, e text, t text, c bigint, s text, d bigint, l bigint, n integer, z bigint,
    b integer, bn integer, h integer, hn integer, g integer, gn integer)
  order by i collate "C"
  on conflict (id) do nothing
  returning id, webhook, state, due, queued
)`
}

// postgresWake is an expression whose value is the empty text, for a result of a
// statement with a new_ready. It wakes other processes if new_ready has stored rows.
const postgresWake = `coalesce((
  select cast(pg_notify(@wake, '') as text) where @wake <> '' and exists (select 1 from new_ready)), '')`

// confirmIfEmpty is appended to a statement that writes the rows of a table, and
// returns no rows. If the statement has written none, its commit would wait for
// nothing, so it writes a message. See afterWrite.
func confirmIfEmpty(table string) string {
	return `
union all
select '' where case when exists (select 1 from ` + table + `) then false
  else pg_logical_emit_message(true, 'listhook', '') is null end`
}
