package sqlstore

import "slices"

// mariadb is the dialect of MariaDB. A delivery is one row, as on SQLite, but MariaDB
// has no partial indexes. A ready delivery has its webhook in the column lane, a
// waiting one has its due time in wake. The others, leased ones too, have NULL in
// both. NULLs are at one end of an index. The two names stay: while a new version is
// deployed, processes of the one before use the tables too, and a column that they name
// must not go.
//
// Rows are in order of seq, which grows with time. In order of their IDs, which are
// hashes, each would be written to a different page. The store makes seq from the time
// and random bits; see batch.assignSeqs. An AUTO_INCREMENT would not do: where
// innodb_autoinc_lock_mode is 2, which Galera needs, a statement that meets a
// duplicate row may continue with numbers that another connection was given.
//
// A batch stores its token in the column batch of the rows that it inserts or changes.
// By the token it finds these rows if they are not all. No statement uses INSERT
// IGNORE, which ignores other errors than duplicates too. Texts are binary, so that no
// collation treats two texts as equal. Bodies are base64 in the JSON: a binary
// parameter counts as text in the connection's character set, even under a cast, and
// substr cuts it by characters.
var mariadb = dialect{
	base64:     true,
	awaitPuts:  true, // a read view is not made at one moment
	sortsWhole: true,
	check:      checkMariaDB,

	schema: []string{`
create table if not exists {}webhooks (
  id      varbinary(255) not null primary key,
  account varbinary(255) not null,
  list    varbinary(255) not null,
  hold    bigint not null,
  changed bigint not null,
  deleted tinyint not null,
  version bigint not null,
  doc     longblob not null,
  index {}webhooks_account (account, list),
  index {}webhooks_changed (changed)
) engine = InnoDB;
create table if not exists {}deliveries (
  seq      bigint not null auto_increment primary key,
  id       varbinary(255) not null,
  account  varbinary(255) not null,
  webhook  varbinary(255) not null,
  event    varbinary(255) not null,
  type     varbinary(255) not null,
  created  bigint not null,
  state    varbinary(255) not null,
  due      bigint not null,
  lease    bigint not null,
  attempts int not null,
  token    bigint not null,
  lane     varbinary(255),
  wake     bigint,
  body     longblob not null,
  carrier  longblob not null,
  log      longblob not null,
  unique index {}deliveries_id (id),
  index {}deliveries_log (account, created, webhook),
  index {}deliveries_created (created),
  index {}deliveries_lane (lane, due),
  index {}deliveries_wake (wake)
) engine = InnoDB;
create table if not exists {}leases (
  due   bigint not null,
  token bigint not null,
  last  bigint not null,
  ids   longblob not null,
  primary key (due, token)
) engine = InnoDB;
`, `
alter table {}schema engine = InnoDB;
alter table {}deliveries modify seq bigint not null, change column if exists token batch bigint not null;
`, `
alter table {}webhooks add column if not exists put bigint not null default 0, add column if not exists tallies longblob;
update {}webhooks w join (select id, row_number() over (order by changed, id) as n from {}webhooks) r on r.id = w.id
set w.put = r.n where w.put = 0;
create index if not exists {}webhooks_put on {}webhooks (put);
create table if not exists {}puts (
  one  tinyint not null primary key,
  n    bigint not null
) engine = InnoDB;
insert into {}puts (one, n) select 1, count(*) from {}webhooks on duplicate key update one = 1;
alter table {}deliveries
  add column if not exists line_key varbinary(255), add column if not exists parked tinyint,
  add column if not exists stood tinyint, add column if not exists sequence bigint,
  add column if not exists joined bigint, add column if not exists event_time bigint,
  add column if not exists failure varbinary(255), add column if not exists subjects blob;
create index if not exists {}deliveries_key on {}deliveries (line_key, created);
create table if not exists {}subjects (
  subject varbinary(255) not null,
  account varbinary(255) not null,
  created bigint not null,
  id      varbinary(255) not null,
  primary key (subject, account, created, id)
) engine = InnoDB;
create table if not exists {}line_events (
  n        bigint not null auto_increment primary key,
  kind     tinyint not null,
  webhook  varbinary(255) not null,
  line_key varbinary(255),
  id       varbinary(255) not null,
  joined   bigint
) engine = InnoDB;
create table if not exists {}lines (
  webhook  varbinary(255) not null,
  line_key varbinary(255) not null,
  place    bigint not null,
  id       varbinary(255) not null,
  joined   bigint not null,
  primary key (webhook, line_key, place),
  index {}lines_id (id)
) engine = InnoDB;
create table if not exists {}steps (
  one  tinyint not null primary key,
  n    bigint not null
) engine = InnoDB;
insert into {}steps (one, n) values (1, 0) on duplicate key update one = 1;
`, `
create index if not exists {}deliveries_failure on {}deliveries (account, failure, created);
`,
		"", // from here on bodies are packed and logs have short lines, which an older version would not read
		`
alter table {}deliveries add column if not exists passed_over tinyint;
create index if not exists {}line_events_line on {}line_events (webhook, line_key);
`,
	},
	recordVersion: `insert into {}schema (version) values (%d) on duplicate key update version = version`,
	// A definition commits by itself, even in a transaction. So the lock belongs to the
	// connection, and each definition changes nothing if it is run again.
	lock:   `select get_lock(sha1(concat(database(), @name)), 60)`,
	unlock: `select release_lock(sha1(concat(database(), @name)))`,

	textList: `select v from json_table(convert(@list using utf8mb4), '$[*]' columns (v varchar(255) character set utf8mb4 path '$')) l`,
	byID:     mariadbByID,
	queues: [4]string{`{}deliveries where lane is not null`, `{}deliveries where wake is not null`, `(
  select d.id, d.due, d.webhook from (
    select distinct cast(i as binary) as id from {}leases l straight_join json_table(
      convert(l.ids using utf8mb4), '$[*]' columns (i varchar(255) character set utf8mb4 path '$')) j) l
  ` + mariadbByID(`l.id`, `state = 'pending' and lane is null and wake is null and parked is null`) + `) l where true`,
		parked(mariadbByID, `parked = 1`, `select id, webhook from {}lines`)},

	insertWebhook: `
insert into {}webhooks (id, account, list, hold, changed, deleted, version, doc, put, tallies)
select @id, @account, @list, @hold, @changed, @deleted, 1, @doc, n, @tallies from {}puts`,

	// A row that is inserted counts once, one that is updated twice.
	enqueue: script{{skipsRest: true, text: mariadbInsert + `
on duplicate key update batch = @again`}, {returnsRows: true, text: `
select id, batch = @token
from json_table(convert(@rows using utf8mb4), '$[*]' columns (i varchar(255) character set utf8mb4 path '$.i')) j
straight_join {}deliveries force index ({}deliveries_id) on id = cast(i as binary)
where batch in (@token, @again)`}},

	enqueueOne: script{{skipsRest: true, text: mariadbInsertOne + `
on duplicate key update batch = @again`}, {returnsRows: true, text: `
select id, batch = @token from {}deliveries where id = @i and batch in (@token, @again)`}},

	insertNew: mariadbInsert,

	// A statement that inserts what it reads from a table locks that in the app's transaction,
	// where the level is REPEATABLE READ: even the end of a short table, so that nobody else
	// could insert. So neither this one nor insertLineEvents reads a table.
	insertSubjects: `
insert into {}subjects (subject, account, created, id)
select distinct cast(v as binary), a, c, i
from json_table(convert(@rows using utf8mb4), '$[*]' columns (
  i varchar(255) character set utf8mb4 path '$.i', a varchar(255) character set utf8mb4 path '$.a', c bigint path '$.c',
  nested path '$.u[*]' columns (v varchar(255) character set utf8mb4 path '$'))) j`,

	erase: script{{text: `
delete t
from json_table(convert(@rows using utf8mb4), '$[*]' columns (
  i varchar(255) character set utf8mb4 path '$.i', l bigint path '$.l', x varchar(5) path '$.x')) j
straight_join {}deliveries d force index ({}deliveries_id) on d.id = cast(i as binary)
straight_join json_table(convert(d.subjects using utf8mb4), '$[*]' columns (v varchar(255) character set utf8mb4 path '$')) s
straight_join {}subjects t force index (primary) on t.subject = cast(v as binary) and t.account = d.account and t.created = d.created and t.id = d.id
where d.lease = l and x = 'true'`}, {text: `
update json_table(convert(@rows using utf8mb4), '$[*]' columns (
  i varchar(255) character set utf8mb4 path '$.i', l bigint path '$.l', x varchar(5) path '$.x')) j
straight_join {}deliveries force index ({}deliveries_id) on id = cast(i as binary)
set body = '', carrier = '', log = '', failure = null, subjects = null
where lease = l and x = 'true'`}},

	// The columns are set in the order in which they are named. So those that depend on
	// others come before these.
	apply: script{{text: `
update json_table(convert(@rows using utf8mb4), '$[*]' columns (
  i varchar(255) character set utf8mb4 path '$.i', l bigint path '$.l',
  s varchar(255) character set utf8mb4 path '$.s', d bigint path '$.d',
  n int path '$.n', r int path '$.r', v varchar(5) path '$.v', x varchar(5) path '$.x', p varchar(5) path '$.p', y bigint path '$.y',
  f varchar(255) character set utf8mb4 path '$.f', g longtext path '$.g', gx varchar(5) path '$.gx')) j
straight_join {}deliveries force index ({}deliveries_id) on id = cast(i as binary)
set stood = if(line_key is null or passed_over = 1 and state = 'pending', null, state = 'pending'),
  joined = if(line_key is not null and x is null and v is null and state <> 'pending' and s = 'pending', y, joined),
  lane = if(` + mariadbQueue + ` = 1, webhook, null), wake = if(` + mariadbQueue + ` = 0, d, null),
  parked = if(` + mariadbQueue + ` = 2, 1, null),
  passed_over = case
    when line_key is null or x is not null then null
    when v is not null then 1
    when state = 'pending' or s <> 'pending' then passed_over end,
  line_key = if(x is null, line_key, null),
  state = s, due = d, lease = lease + 1, attempts = n, batch = @token,
  failure = if(g <> '', f, failure), log = concat(if(gx is null, log, ''), from_base64(g)),
  body = if(p is null, body, '')
where lease = l`}, {returnsRows: true, text: `
select id, ` + changedLine + `
from json_table(convert(@rows using utf8mb4), '$[*]' columns (i varchar(255) character set utf8mb4 path '$.i')) j
straight_join {}deliveries force index ({}deliveries_id) on id = cast(i as binary)
where batch = @token`}},

	applyUnkeyed: script{{skipsRest: true, text: `
update json_table(convert(@rows using utf8mb4), '$[*]' columns (
  i varchar(255) character set utf8mb4 path '$.i', l bigint path '$.l',
  s varchar(255) character set utf8mb4 path '$.s', d bigint path '$.d',
  n int path '$.n', r int path '$.r', p varchar(5) path '$.p',
  f varchar(255) character set utf8mb4 path '$.f', g longtext path '$.g')) j
straight_join {}deliveries force index ({}deliveries_id) on id = cast(i as binary)
set state = s, due = d, lease = lease + 1, attempts = n, batch = @token,
  lane = if(r = 1, webhook, null), wake = if(r = 0, d, null),
  failure = if(g <> '', f, failure), log = concat(log, from_base64(g)), body = if(p is null, body, '')
where lease = l and line_key is null`}, selectChanged},

	insertLineEvents: `
insert into {}line_events (kind, webhook, line_key, id, joined)
select e, w, k, i, y
from json_table(convert(@rows using utf8mb4), '$[*]' columns (
  o for ordinality, i varchar(255) character set utf8mb4 path '$.i', e int path '$.e',
  w varchar(255) character set utf8mb4 path '$.w', k varchar(255) character set utf8mb4 path '$.k', y bigint path '$.y')) j
order by o`,

	// The server ends the session of a process that freezes in a step.
	lockLines: script{
		{text: `set session idle_write_transaction_timeout = 10`},
		{text: `set statement innodb_lock_wait_timeout = 1 for update {}steps set n = greatest(n + 1, @least)`},
		{returnsRows: true, text: `select n from {}steps`}},
	unlockLines: script{{text: `set session idle_write_transaction_timeout = default`}},
	raiseStep:   script{{text: `update {}steps set n = @step`}},

	// A delete by a range would wait for events that are not committed.
	takeLineEvents: `
with next as (select * from {}line_events where n >= @from order by n limit @n)
select n, kind, webhook, coalesce(line_key, ''), id, coalesce(joined, ` + noTime + `) from next
union all
select e.n, e.kind, e.webhook, e.line_key, e.id, coalesce(e.joined, ` + noTime + `)
from (select distinct webhook, line_key from next where kind = 1) j
straight_join {}line_events e force index ({}line_events_line) on e.webhook = j.webhook and e.line_key = j.line_key and e.kind = 1 and e.n < @from`,

	takeLateJoins: `
select n, kind, webhook, line_key, id, coalesce(joined, ` + noTime + `) from {}line_events
where kind = 1 and n < @from and id in (
  select cast(i as binary) from json_table(convert(@rows using utf8mb4), '$[*]' columns (i varchar(255) character set utf8mb4 path '$')) j)`,

	deleteLineEvents: `
delete e from json_table(@rows, '$[*]' columns (n bigint path '$')) j straight_join {}line_events e force index (primary) on e.n = j.n`,

	joinLines: `
insert into {}lines (webhook, line_key, place, id, joined)
select w, k, p, i, y from json_table(convert(@rows using utf8mb4), '$[*]' columns (
  w varchar(255) character set utf8mb4 path '$.w', k varchar(255) character set utf8mb4 path '$.k', p bigint path '$.p',
  i varchar(255) character set utf8mb4 path '$.i', y bigint path '$.y')) j`,

	leaveLines: script{{returnsRows: true, text: `
select l.webhook, l.line_key, l.place, l.id
from json_table(convert(@rows using utf8mb4), '$[*]' columns (i varchar(255) character set utf8mb4 path '$')) j
straight_join {}lines l force index ({}lines_id) on l.id = cast(i as binary)`}, {text: `
delete l
from json_table(convert(@rows using utf8mb4), '$[*]' columns (i varchar(255) character set utf8mb4 path '$')) j
straight_join {}lines l force index ({}lines_id) on l.id = cast(i as binary)`}},

	numberDeliveries: `
update json_table(convert(@rows using utf8mb4), '$[*]' columns (
  i varchar(255) character set utf8mb4 path '$.i', p bigint path '$.p')) j
straight_join {}deliveries force index ({}deliveries_id) on id = cast(i as binary)
set sequence = p where sequence is null`,

	enterFirst: script{{text: `
update json_table(convert(@rows using utf8mb4), '$[*]' columns (
  w varchar(255) character set utf8mb4 path '$.w', k varchar(255) character set utf8mb4 path '$.k', p bigint path '$.p')) j
straight_join {}lines l force index (primary) on l.webhook = cast(w as binary) and l.line_key = cast(k as binary) and l.place = (
  select place from {}lines where webhook = cast(w as binary) and line_key = cast(k as binary) order by place limit 1)
straight_join {}deliveries d force index ({}deliveries_id) on d.id = l.id
set lane = if(due <= @now, d.webhook, null), wake = if(due > @now, due, null), parked = null,
  sequence = coalesce(sequence, place)
where place > p and parked = 1`}},

	idle: `
select not exists (select 1 from {}deliveries where lane is not null),
  not exists (select 1 from {}deliveries where wake >= @since and wake <= @now),
  not exists (select 1 from {}leases where due >= @since and due <= @now),
  not exists (select 1 from {}line_events where n >= @events)`,

	promote: `
update {}deliveries set lane = webhook, wake = null where wake >= @since and wake <= @now order by wake limit @n`,

	// A loose index scan: one seek for each webhook. A recursive query would always run
	// to its end, with an index scan for each step.
	readyWebhooks: `
select webhook, due, coalesce((select hold > @now from {}webhooks where id = walk.webhook), 0)
from (
  select lane as webhook, min(due) as due from {}deliveries where lane >= @from group by lane order by lane limit @n) walk
order by webhook`,

	pick: `
select seq from {}deliveries where lane = @webhook and due >= @first and due <= @now order by due limit @n for update skip locked`,

	take: script{{text: `
update json_table(@rows, '$[*]' columns (k bigint path '$')) j straight_join {}deliveries force index (primary) on seq = k
set lease = lease + 1, due = @until, lane = null`}, {returnsRows: true, text: `
select ` + claimColumns + `
from json_table(@rows, '$[*]' columns (k bigint path '$')) j straight_join {}deliveries force index (primary) on seq = k`}},

	insertLease: `insert into {}leases (due, token, last, ids) values (@due, @token, @last, @ids)`,

	expiredLeases: `
select due, last, token, ids from {}leases
where due >= @since and due <= @now order by due, token limit @n for update skip locked`,

	expire: `
update json_table(convert(@rows using utf8mb4), '$[*]' columns (
  i varchar(255) character set utf8mb4 path '$.i', d bigint path '$.d', e bigint path '$.e')) j
straight_join {}deliveries force index ({}deliveries_id) on id = cast(i as binary)
set lane = webhook
where state = 'pending' and lane is null and wake is null and parked is null and due between d and e`,

	deleteLeases: `
delete l
from json_table(@rows, '$[*]' columns (d bigint path '$.d', t bigint path '$.t')) j
straight_join {}leases l force index (primary) on l.due = d and l.token = t`,

	deleteSubjects: `
delete t
from json_table(convert(@rows using utf8mb4), '$[*]' columns (
  s varchar(255) character set utf8mb4 path '$.s', a varchar(255) character set utf8mb4 path '$.a',
  c bigint path '$.c', i varchar(255) character set utf8mb4 path '$.i')) j
straight_join {}subjects t force index (primary) on t.subject = cast(s as binary) and t.account = cast(a as binary) and t.created = c and t.id = cast(i as binary)`,

	// A delete takes no index hint. Without one the server scans a short table, and waits
	// for rows that are not committed.
	prune: pruning{`
select account, created, id, subjects from {}deliveries force index ({}deliveries_created)
where created < @before and state <> 'pending' and due < @before`, ` order by created limit @n for update skip locked`},
	deletePruned: `
delete d
from json_table(convert(@rows using utf8mb4), '$[*]' columns (i varchar(255) character set utf8mb4 path '$')) j
straight_join {}deliveries d force index ({}deliveries_id) on d.id = cast(i as binary)`,

	isNoTable:   func(err error) bool { return mysqlNumber(err) == 1146 },
	isDuplicate: func(err error) bool { return slices.Contains([]uint64{1062, 1586}, mysqlNumber(err)) },
	isRetryable: func(err error) bool {
		// A deadlock, a lock timeout, a row that changed since it was read, and a statement
		// that Galera interrupted for one of another node.
		return slices.Contains([]uint64{1213, 1205, 1020, 1317}, mysqlNumber(err))
	},
	isLocked: func(err error) bool { return mysqlNumber(err) == 1205 },
}

// selectChanged returns the IDs of the rows with the batch's token.
var selectChanged = step{returnsRows: true, text: `
select id
from json_table(convert(@rows using utf8mb4), '$[*]' columns (i varchar(255) character set utf8mb4 path '$.i')) j
straight_join {}deliveries force index ({}deliveries_id) on id = cast(i as binary)
where batch = @token`}

// mariadbByID is dialect.byID.
func mariadbByID(id, is string) string {
	return `straight_join {}deliveries d force index ({}deliveries_id) on d.id = ` + id + ` and ` + is
}

// mariadbInsert inserts deliveries.
const mariadbInsert = `
insert into {}deliveries (
  seq, id, account, webhook, event, type, created, state, due, lease, attempts, batch, lane, wake, parked,
  body, carrier, log, line_key, joined, event_time, failure, subjects)
select k, i, a, w, e, t, c, s, d, l, n, @token, if(r = 1, w, null), if(r = 0, d, null), if(r = 2, 1, null),
  from_base64(b), from_base64(h), from_base64(g), q, y, z, f, u
from json_table(convert(@rows using utf8mb4), '$[*]' columns (
  k bigint path '$.k',
  i varchar(255) character set utf8mb4 path '$.i', a varchar(255) character set utf8mb4 path '$.a',
  w varchar(255) character set utf8mb4 path '$.w', e varchar(255) character set utf8mb4 path '$.e',
  t varchar(255) character set utf8mb4 path '$.t', c bigint path '$.c',
  s varchar(255) character set utf8mb4 path '$.s', d bigint path '$.d', l bigint path '$.l',
  n int path '$.n', r int path '$.r', b longtext path '$.b', h longtext path '$.h',
  g longtext path '$.g', q varchar(255) character set utf8mb4 path '$.q', y bigint path '$.y', z bigint path '$.z',
  f varchar(255) character set utf8mb4 path '$.f', u text character set utf8mb4 path '$.u')) j
order by i`

// mariadbQueue is the value of r for a changed delivery: a delivery with a key that was
// leased, ready or waiting is the first of its line, and one that was not is parked.
const mariadbQueue = `case
    when line_key is null or v is not null or x is not null or s <> 'pending' or passed_over = 1 and state = 'pending' then r
    when state <> 'pending' or parked = 1 then 2
    else r end`
