package sqlstore

// sqlite is the dialect of SQLite. A delivery is one row. The ready and waiting queues
// are partial indexes by the column ready: 1 is ready, 0 is waiting. A finished or
// leased delivery has NULL and is in neither index, so the outcome of a leased
// delivery changes no index.
//
// The table is in order of seq, SQLite's rowid, which grows with time. So new rows and
// rows that change soon are on neighbouring pages, however large the log is. The same
// holds for the index of IDs, unless the app's event IDs are hashes.
var sqlite = dialect{
	schema: []string{`
create table {}webhooks (
  id      text not null primary key,
  account text not null,
  list    text not null,
  hold    integer not null,
  changed integer not null,
  deleted integer not null,
  version integer not null,
  doc     text not null
) without rowid;
create index {}webhooks_account on {}webhooks (account, list);
create index {}webhooks_changed on {}webhooks (changed);
create table {}deliveries (
  seq      integer primary key,
  id       text not null unique,
  account  text not null,
  webhook  text not null,
  event    text not null,
  type     text not null,
  created  integer not null,
  state    text not null,
  due      integer not null,
  lease    integer not null,
  attempts integer not null,
  ready    integer,
  body     blob not null,
  carrier  blob not null,
  log      blob not null
);
create index {}deliveries_log on {}deliveries (account, created, webhook);
create index {}deliveries_created on {}deliveries (created);
create index {}deliveries_ready on {}deliveries (webhook, due) where ready = 1;
create index {}deliveries_waiting on {}deliveries (due) where ready = 0;
create table {}leases (
  due   integer not null,
  token integer not null,
  last  integer not null,
  ids   text not null,
  primary key (due, token)
);
`},
	wal: `pragma journal_mode = wal`,

	textList: `select value from json_each(@list)`,
	queues: [3]string{`{}deliveries where ready = 1`, `{}deliveries where ready = 0`, `(
  select distinct d.id, d.due, d.webhook
  from {}leases l, json_each(l.ids) i cross join {}deliveries d
  where d.id = i.value and d.state = 'pending' and d.ready is null and d.due between l.due and l.last) l where true`},

	insertWebhook: `
insert into {}webhooks (id, account, list, hold, changed, deleted, version, doc)
values (@id, @account, @list, @hold, @changed, @deleted, 1, @doc)
on conflict (id) do nothing`,

	enqueue: result(`
insert into {}deliveries (
  id, account, webhook, event, type, created, state, due, lease, attempts, ready,
  body, carrier, log)
{values i, a, w, e, t, c, s, d, l, n, r, b, h, g}
on conflict (id) do nothing
returning id`),

	erase: script{{text: `
update {}deliveries set body = x'', carrier = x'', log = x''
from json_each(@rows) j
where {}deliveries.id = j.value->>'i' and lease = j.value->>'l' and j.value->>'x'`}},

	apply: result(`
with j (i, l, s, d, n, r, g) as ({values i, l, s, d, n, r, g})
update {}deliveries
set state = j.s, due = j.d, lease = lease + 1, attempts = j.n, ready = j.r,
    log = cast(log || j.g as blob)
from j where {}deliveries.id = j.i and lease = j.l
returning id`),

	idle: `
select not exists (select 1 from {}deliveries where ready = 1)
  and not exists (select 1 from {}deliveries where ready = 0 and due >= @since and due <= @now),
  not exists (select 1 from {}leases where due >= @since and due <= @now)`,

	promote: `
update {}deliveries set ready = 1 where seq in (
  select seq from {}deliveries where ready = 0 and due >= @since and due <= @now order by due limit @n)`,

	readyWebhooks: `
with recursive walk (webhook, n) as (
  select * from (
    select webhook, 1 from {}deliveries
    where ready = 1 and webhook >= @from order by webhook limit 1)
  union all
  select (
    select d.webhook from {}deliveries d
    where d.ready = 1 and d.webhook > walk.webhook order by d.webhook limit 1), n + 1
  from walk where webhook is not null and n < @n)
select webhook, -9223372036854775808, coalesce((select hold > @now from {}webhooks where id = webhook), 0)
from walk where webhook is not null order by n`,

	pick: `
select seq from {}deliveries
where ready = 1 and webhook = @webhook and due <= @now order by due limit @n`,

	take: result(`
update {}deliveries set lease = lease + 1, due = @until, ready = null
where seq in (select value from json_each(@rows))
returning ` + claimColumns),

	insertLease: `insert into {}leases (due, token, last, ids) values (@due, @token, @last, @ids)`,

	expiredLeases: `
select due, last, token, ids from {}leases where due >= @since and due <= @now order by due, token limit @n`,

	expire: `
update {}deliveries set ready = 1
from json_each(@rows) j
where {}deliveries.id = j.value->>'i' and state = 'pending' and ready is null and due between j.value->>'d' and j.value->>'e'`,

	deleteLeases: `
delete from {}leases where (due, token) in (select value->>'d', value->>'t' from json_each(@rows))`,

	prune: `
delete from {}deliveries where seq in (
  select seq from {}deliveries
  where created < @before and state <> 'pending' and due < @before order by created limit @n)`,

	// SQLite has one writer at a time. Enqueue waits for this transaction, so it is
	// short.
	maxPrune: 50,

	isNoTable: func(err error) bool { return containsAny(err, "no such table") },
	isRetryable: func(err error) bool {
		return containsAny(err, "database is locked", "database table is locked", "SQLITE_BUSY")
	},
}
