package sqlstore

import "slices"

// mariadb is the dialect of MariaDB. A delivery is one row, as on SQLite, but MariaDB
// has no partial indexes. A ready delivery has its webhook in the column lane, a
// waiting one has its due time in wake. The others, leased ones too, have NULL in
// both. NULLs are at one end of an index.
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
	base64: true,
	check:  checkMariaDB,

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
`},
	recordVersion: `insert into {}schema (version) values (%d) on duplicate key update version = version`,
	// A definition commits by itself, even in a transaction. So the lock belongs to the
	// connection, and each definition changes nothing if it is run again.
	lock:   `select get_lock(sha1(concat(database(), @name)), 60)`,
	unlock: `select release_lock(sha1(concat(database(), @name)))`,

	textList: `select v from json_table(convert(@list using utf8mb4), '$[*]' columns (v varchar(255) character set utf8mb4 path '$')) l`,
	queues: [3]string{`{}deliveries where lane is not null`, `{}deliveries where wake is not null`, `(
  select distinct d.id, d.due, d.webhook
  from {}leases l straight_join json_table(
    convert(l.ids using utf8mb4), '$[*]' columns (i varchar(255) character set utf8mb4 path '$')) j
  straight_join {}deliveries d on d.id = cast(i as binary)
  where d.state = 'pending' and d.lane is null and d.wake is null and d.due between l.due and l.last) l where true`},

	insertWebhook: `
insert into {}webhooks (id, account, list, hold, changed, deleted, version, doc)
values (@id, @account, @list, @hold, @changed, @deleted, 1, @doc)`,

	enqueue: script{{text: mariadbInsert + `
on duplicate key update batch = @again`}, {returnsRows: true, text: `
select id, batch = @token
from json_table(convert(@rows using utf8mb4), '$[*]' columns (i varchar(255) character set utf8mb4 path '$.i')) j
straight_join {}deliveries on id = cast(i as binary)
where batch in (@token, @again)`}},

	insertNew: mariadbInsert,

	erase: script{{text: `
update json_table(convert(@rows using utf8mb4), '$[*]' columns (
  i varchar(255) character set utf8mb4 path '$.i', l bigint path '$.l', x varchar(5) path '$.x')) j
straight_join {}deliveries on id = cast(i as binary)
set body = '', carrier = '', log = ''
where lease = l and x = 'true'`}},

	apply: script{{skipsRest: true, text: `
update json_table(convert(@rows using utf8mb4), '$[*]' columns (
  i varchar(255) character set utf8mb4 path '$.i', l bigint path '$.l',
  s varchar(255) character set utf8mb4 path '$.s', d bigint path '$.d',
  n int path '$.n', r int path '$.r', g longtext path '$.g')) j
straight_join {}deliveries on id = cast(i as binary)
set state = s, due = d, lease = lease + 1, attempts = n, batch = @token,
  lane = if(r = 1, webhook, null), wake = if(r = 0, d, null), log = concat(log, from_base64(g))
where lease = l`}, selectChanged},

	idle: `
select not exists (select 1 from {}deliveries where lane is not null)
  and not exists (select 1 from {}deliveries where wake >= @since and wake <= @now),
  not exists (select 1 from {}leases where due >= @since and due <= @now)`,

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
update json_table(@rows, '$[*]' columns (k bigint path '$')) j straight_join {}deliveries on seq = k
set lease = lease + 1, due = @until, lane = null`}, {returnsRows: true, text: `
select ` + claimColumns + `
from json_table(@rows, '$[*]' columns (k bigint path '$')) j straight_join {}deliveries on seq = k`}},

	insertLease: `insert into {}leases (due, token, last, ids) values (@due, @token, @last, @ids)`,

	expiredLeases: `
select due, last, token, ids from {}leases
where due >= @since and due <= @now order by due, token limit @n for update skip locked`,

	expire: `
update json_table(convert(@rows using utf8mb4), '$[*]' columns (
  i varchar(255) character set utf8mb4 path '$.i', d bigint path '$.d', e bigint path '$.e')) j
straight_join {}deliveries on id = cast(i as binary)
set lane = webhook
where state = 'pending' and lane is null and wake is null and due between d and e`,

	deleteLeases: `
delete l
from json_table(@rows, '$[*]' columns (d bigint path '$.d', t bigint path '$.t')) j
straight_join {}leases l on l.due = d and l.token = t`,

	prune: `
delete from {}deliveries
where created < @before and state <> 'pending' and due < @before order by created limit @n`,

	isNoTable:   func(err error) bool { return mysqlNumber(err) == 1146 },
	isDuplicate: func(err error) bool { return slices.Contains([]uint64{1062, 1586}, mysqlNumber(err)) },
	isRetryable: func(err error) bool {
		// A deadlock, a lock timeout, and a row that changed since it was read.
		return slices.Contains([]uint64{1213, 1205, 1020}, mysqlNumber(err))
	},
}

// selectChanged returns the IDs of the rows with the batch's token.
var selectChanged = step{returnsRows: true, text: `
select id
from json_table(convert(@rows using utf8mb4), '$[*]' columns (i varchar(255) character set utf8mb4 path '$.i')) j
straight_join {}deliveries on id = cast(i as binary)
where batch = @token`}

// mariadbInsert inserts deliveries.
const mariadbInsert = `
insert into {}deliveries (
  seq, id, account, webhook, event, type, created, state, due, lease, attempts, batch, lane, wake,
  body, carrier, log)
select k, i, a, w, e, t, c, s, d, l, n, @token, if(r = 1, w, null), if(r = 0, d, null),
  from_base64(b), from_base64(h), from_base64(g)
from json_table(convert(@rows using utf8mb4), '$[*]' columns (
  k bigint path '$.k',
  i varchar(255) character set utf8mb4 path '$.i', a varchar(255) character set utf8mb4 path '$.a',
  w varchar(255) character set utf8mb4 path '$.w', e varchar(255) character set utf8mb4 path '$.e',
  t varchar(255) character set utf8mb4 path '$.t', c bigint path '$.c',
  s varchar(255) character set utf8mb4 path '$.s', d bigint path '$.d', l bigint path '$.l',
  n int path '$.n', r int path '$.r', b longtext path '$.b', h longtext path '$.h',
  g longtext path '$.g')) j
order by i`
