package sqlstore

// hiddenTime is a time in a condition on an index that a limit ends. After "analyze"
// SQLite looks up how many rows a bound value selects. If these are most of the table, it
// would rather read and sort all of it: it does not think of the limit.
const hiddenTime = `(select @v)`

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
`, `
alter table {}webhooks add put integer not null default 0;
alter table {}webhooks add tallies blob;
update {}webhooks set put = r.n
from (select id, row_number() over (order by changed, id) as n from {}webhooks) r where r.id = {}webhooks.id;
create index {}webhooks_put on {}webhooks (put);
create table {}puts (
  one  integer primary key,
  n    integer not null
);
insert into {}puts (one, n) select 1, count(*) from {}webhooks;
alter table {}deliveries add line_key text;
alter table {}deliveries add stood integer;
alter table {}deliveries add sequence integer;
alter table {}deliveries add joined integer;
alter table {}deliveries add event_time integer;
alter table {}deliveries add failure text;
alter table {}deliveries add subjects text;
create index {}deliveries_key on {}deliveries (line_key, created) where line_key is not null;
create table {}subjects (
  subject text not null,
  account text not null,
  created integer not null,
  id      text not null,
  primary key (subject, account, created, id)
) without rowid;
create table {}lines (
  webhook  text not null,
  line_key text not null,
  place    integer not null,
  id       text not null,
  joined   integer not null,
  primary key (webhook, line_key, place)
) without rowid;
create index {}lines_id on {}lines (id);
create table {}steps (
  one  integer primary key,
  n    integer not null
);
insert into {}steps (one, n) values (1, 0);
`, `
create index {}deliveries_failure on {}deliveries (account, failure, created) where failure is not null;
`,
		"", // from here on bodies are packed and logs have short lines, which an older version would not read
		`
alter table {}deliveries add passed_over integer;
`,
	},
	oneWriter: true,
	check:     checkSQLite,
	wal:       `pragma journal_mode = wal`,

	textList: `select value from json_each(@list)`,
	queues: [4]string{`{}deliveries where ready = 1`, `{}deliveries where ready = 0`, `(
  select d.seq, d.webhook
  from {}leases l, json_each(l.ids) i cross join {}deliveries d
  where d.id = i.value and d.state = 'pending' and d.ready is null and d.due between l.due and l.last) l where true`,
		`(
  select d.seq, d.webhook from {}lines l cross join {}deliveries d
  where d.id = l.id and d.state = 'pending' and d.ready = 2) l where true`},
	queuesHaveSeq: true,

	insertWebhook: `
insert into {}webhooks (id, account, list, hold, changed, deleted, version, doc, put, tallies)
select @id, @account, @list, @hold, @changed, @deleted, 1, @doc, n, @tallies from {}puts where true
on conflict (id) do nothing`,

	enqueue: result(`
insert into {}deliveries (
  id, account, webhook, event, type, created, state, due, lease, attempts, ready,
  body, carrier, log, line_key, joined, event_time, failure, subjects)
{values i, a, w, e, t, c, s, d, l, n, r, b, h, g, q, y, z, f, u}
on conflict (id) do nothing
returning id`),

	enqueueInLines: result(`
insert into {}deliveries (
  id, account, webhook, event, type, created, state, due, lease, attempts, ready,
  body, carrier, log, line_key, joined, event_time, failure, subjects, sequence)
{values i, a, w, e, t, c, s, d, l, n, r, b, h, g, q, y, z, f, u, j}
on conflict (id) do nothing
returning id`),

	openLines: `
select j.value->>'i' from json_each(@rows) j
where exists (select 1 from {}lines where webhook = j.value->>'w' and line_key = j.value->>'k')`,

	insertSubjects: `
insert into {}subjects (subject, account, created, id)
select s.value, j.value->>'a', j.value->>'c', j.value->>'i'
from json_each(@rows) j cross join json_each(j.value->'u') s where true
on conflict do nothing`,

	erase: script{{text: `
delete from {}subjects where (subject, account, created, id) in (
  select s.value, d.account, d.created, d.id
  from json_each(@rows) j cross join {}deliveries d cross join json_each(d.subjects) s
  where d.id = j.value->>'i' and d.lease = j.value->>'l' and j.value->>'x')`}, {text: `
update {}deliveries set body = x'', carrier = x'', log = x'', failure = null, subjects = null
from json_each(@rows) j
where {}deliveries.id = j.value->>'i' and lease = j.value->>'l' and j.value->>'x'`}},

	apply: result(`
with j (i, l, s, d, n, r, g, gx, f, v, x, y, p) as ({values i, l, s, d, n, r, g, gx, f, v, x, y, p})
update {}deliveries
set state = j.s, due = j.d, lease = lease + 1, attempts = j.n,
    ready = case
      when line_key is null or v or x or j.s <> 'pending' or passed_over and state = 'pending' then j.r
      when state <> 'pending' or ready = 2 then 2
      else j.r end,
    body = case when j.p then x'' else body end,
    log = case when j.gx then j.g else cast(log || j.g as blob) end, failure = case when length(j.g) > 0 then j.f else failure end,
    stood = case when line_key is not null and (passed_over is null or state <> 'pending') then state = 'pending' end,
    line_key = case when not x then line_key end,
    passed_over = case
      when line_key is null or x then null
      when v then 1
      when state = 'pending' or j.s <> 'pending' then passed_over end,
    joined = case when line_key is not null and not x and not v and state <> 'pending' and j.s = 'pending' then j.y else joined end
from j where {}deliveries.id = j.i and lease = j.l
returning id, ` + changedLine),

	lockLines: result(`update {}steps set n = max(n + 1, @least) returning n`),
	raiseStep: script{{text: `update {}steps set n = @step`}},

	joinLines: `
insert into {}lines (webhook, line_key, place, id, joined)
select j.value->>'w', j.value->>'k', j.value->>'p', j.value->>'i', j.value->>'y' from json_each(@rows) j`,

	leaveLines: result(`
delete from {}lines where (webhook, line_key, place) in (
  select l.webhook, l.line_key, l.place from json_each(@rows) j cross join {}lines l where l.id = j.value)
returning webhook, line_key, place, id`),

	numberDeliveries: `
update {}deliveries set sequence = j.value->>'p' from json_each(@rows) j
where {}deliveries.id = j.value->>'i' and sequence is null`,

	enterFirst: script{{text: `
update {}deliveries set ready = due <= @now,
  sequence = coalesce(sequence, (select max(place) from {}lines where {}lines.id = {}deliveries.id))
where ready = 2 and id in (
  select l.id from json_each(@rows) j cross join {}lines l
  where l.webhook = j.value->>'w' and l.line_key = j.value->>'k' and l.place > j.value->>'p' and l.place = (
    select place from {}lines where webhook = j.value->>'w' and line_key = j.value->>'k' order by place limit 1))`}},

	idle: `
select not exists (select 1 from {}deliveries where ready = 1),
  not exists (select 1 from {}deliveries where ready = 0 and due >= @since and due <= @now),
  not exists (select 1 from {}leases where due >= @since and due <= @now), 1`,

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

	deleteSubjects: `
delete from {}subjects where (subject, account, created, id) in (
  select value->>'s', value->>'a', value->>'c', value->>'i' from json_each(@rows))`,

	prune: pruning{`
delete from {}deliveries where seq in (
  select seq from {}deliveries
  where created < @before and state <> 'pending' and due < @before`, ` order by created limit @n)
returning account, created, id, subjects`},

	// SQLite has one writer at a time. Enqueue waits for this transaction, so it is
	// short.
	maxPrune: 50,

	isNoTable: func(err error) bool { return containsAny(err, "no such table") },
	isLocked:  func(error) bool { return false },
	isRetryable: func(err error) bool {
		return containsAny(err, "database is locked", "database table is locked", "SQLITE_BUSY")
	},
}
