create table if not exists webhook_schema (version integer not null primary key);
create table if not exists webhook_webhooks (
  id      varbinary(255) not null primary key,
  account varbinary(255) not null,
  list    varbinary(255) not null,
  hold    bigint not null,
  changed bigint not null,
  deleted tinyint not null,
  version bigint not null,
  doc     longblob not null,
  index webhook_webhooks_account (account, list),
  index webhook_webhooks_changed (changed)
) engine = InnoDB;
create table if not exists webhook_deliveries (
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
  unique index webhook_deliveries_id (id),
  index webhook_deliveries_log (account, created, webhook),
  index webhook_deliveries_created (created),
  index webhook_deliveries_lane (lane, due),
  index webhook_deliveries_wake (wake)
) engine = InnoDB;
create table if not exists webhook_leases (
  due   bigint not null,
  token bigint not null,
  last  bigint not null,
  ids   longblob not null,
  primary key (due, token)
) engine = InnoDB;
insert into webhook_schema (version) values (1) on duplicate key update version = version;
alter table webhook_schema engine = InnoDB;
alter table webhook_deliveries modify seq bigint not null, change column if exists token batch bigint not null;
insert into webhook_schema (version) values (2) on duplicate key update version = version;
insert into webhook_webhooks (id, account, list, hold, changed, deleted, version, doc) values ('1849254131006391', 'acme', '', -62135596800000, 1795938931006, 0, 1, '{"ID":"1849254131006391","Account":"acme","List":"","Hold":"0001-01-01T00:00:00Z","Changed":"2026-11-29T07:55:31.006Z","Deleted":false,"Version":1,"Name":"on","URL":"https://receiver.example/hook","Events":["subscribe","unsubscribe","update","sent","open","click","forward","share","bounce"],"Sources":["public","admin","api","system"],"Format":"","Secrets":[{"Key":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLw5w","Until":"0001-01-01T00:00:00Z"}],"Headers":null,"NoRetry":false,"Off":"","Keep":false,"IgnoredEvents":null,"OffSince":"0001-01-01T00:00:00Z","Created":"2026-11-29T07:55:31.006Z","Revision":1,"NotKept":0,"Health":{"Failures":0,"Since":"0001-01-01T00:00:00Z","Last":"0001-01-01T00:00:00Z","Hours":0,"Success":"0001-01-01T00:00:00Z","Reason":"","Probes":0,"Warned":0,"WarnedAt":"0001-01-01T00:00:00Z","SwitchedOff":false},"Sealed":null}');
insert into webhook_webhooks (id, account, list, hold, changed, deleted, version, doc) values ('1849254131009319', 'acme', '7', -62135596800000, 1793534400000, 0, 2, '{"ID":"1849254131009319","Account":"acme","List":"7","Hold":"0001-01-01T00:00:00Z","Changed":"2026-11-01T12:00:00Z","Deleted":false,"Version":2,"Name":"off","URL":"https://receiver.example/hook","Events":["subscribe","unsubscribe","update","sent","open","click","forward","share","bounce"],"Sources":["public","admin","api","system"],"Format":"","Secrets":null,"Headers":null,"NoRetry":false,"Off":"it failed for days","Keep":true,"IgnoredEvents":null,"OffSince":"2026-11-01T12:00:00Z","Created":"2026-11-29T07:55:31.009Z","Revision":1,"NotKept":3,"Health":{"Failures":0,"Since":"0001-01-01T00:00:00Z","Last":"0001-01-01T00:00:00Z","Hours":0,"Success":"0001-01-01T00:00:00Z","Reason":"","Probes":0,"Warned":0,"WarnedAt":"0001-01-01T00:00:00Z","SwitchedOff":false},"Sealed":null}');
insert into webhook_webhooks (id, account, list, hold, changed, deleted, version, doc) values ('1849254131011211', 'globex', '', 1793538000000, 1793534401000, 0, 2, '{"ID":"1849254131011211","Account":"globex","List":"","Hold":"2026-11-01T13:00:00Z","Changed":"2026-11-01T12:00:01Z","Deleted":false,"Version":2,"Name":"held","URL":"https://receiver.example/hook","Events":["subscribe","unsubscribe","update","sent","open","click","forward","share","bounce"],"Sources":["public","admin","api","system"],"Format":"","Secrets":null,"Headers":null,"NoRetry":false,"Off":"","Keep":false,"IgnoredEvents":null,"OffSince":"0001-01-01T00:00:00Z","Created":"2026-11-29T07:55:31.011Z","Revision":1,"NotKept":0,"Health":{"Failures":0,"Since":"0001-01-01T00:00:00Z","Last":"0001-01-01T00:00:00Z","Hours":0,"Success":"0001-01-01T00:00:00Z","Reason":"","Probes":0,"Warned":0,"WarnedAt":"0001-01-01T00:00:00Z","SwitchedOff":false},"Sealed":null}');
insert into webhook_webhooks (id, account, list, hold, changed, deleted, version, doc) values ('1849254131012632', 'acme', '', -62135596800000, 1793530800000, 1, 2, '{"ID":"1849254131012632","Account":"acme","List":"","Hold":"0001-01-01T00:00:00Z","Changed":"2026-11-01T11:00:00Z","Deleted":true,"Version":2,"Name":"gone","URL":"https://receiver.example/hook","Events":["subscribe","unsubscribe","update","sent","open","click","forward","share","bounce"],"Sources":["public","admin","api","system"],"Format":"","Secrets":null,"Headers":null,"NoRetry":false,"Off":"","Keep":false,"IgnoredEvents":null,"OffSince":"0001-01-01T00:00:00Z","Created":"2026-11-29T07:55:31.012Z","Revision":1,"NotKept":0,"Health":{"Failures":0,"Since":"0001-01-01T00:00:00Z","Last":"0001-01-01T00:00:00Z","Hours":0,"Success":"0001-01-01T00:00:00Z","Reason":"","Probes":0,"Warned":0,"WarnedAt":"0001-01-01T00:00:00Z","SwitchedOff":false},"Sealed":null}');
insert into webhook_deliveries (seq, id, account, webhook, event, type, created, state, due, lease, attempts, batch, lane, wake, body, carrier, log) values (3761314254028876897, 'ready', 'acme', '1849254131006391', 'ready', 'open', 1793534400000, 'pending', 1793534400000, 0, 0, 8921255842533872478, '1849254131006391', null, x'0100b10002d802c069643d726561647900ff275c', x'7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', x'');
insert into webhook_deliveries (seq, id, account, webhook, event, type, created, state, due, lease, attempts, batch, lane, wake, body, carrier, log) values (3761314254028876898, 'waiting', 'acme', '1849254131006391', 'waiting', 'open', 1793534400000, 'pending', 1793534460000, 0, 0, 8921255842533872478, null, 1793534460000, x'0100b10002d802e069643d77616974696e6700ff275c', x'7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', x'');
insert into webhook_deliveries (seq, id, account, webhook, event, type, created, state, due, lease, attempts, batch, lane, wake, body, carrier, log) values (3761314254028876899, 'pre-leased', 'acme', '1849254131006391', 'pre-leased', 'open', 1793534400000, 'pending', 1793534430000, 1, 0, 8921255842533872478, null, null, x'0100b10002d802f00269643d7072652d6c656173656400ff275c', x'7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', x'');
insert into webhook_deliveries (seq, id, account, webhook, event, type, created, state, due, lease, attempts, batch, lane, wake, body, carrier, log) values (3761314254028876900, 'canceled', 'acme', '1849254131009319', 'canceled', 'open', 1793534400000, 'canceled', 1793534400000, 1, 0, 1634956723134757734, null, null, x'0100b10002d802f00069643d63616e63656c656400ff275c', x'7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', x'');
insert into webhook_deliveries (seq, id, account, webhook, event, type, created, state, due, lease, attempts, batch, lane, wake, body, carrier, log) values (3761314254028876901, 'of held', 'acme', '1849254131011211', 'of held', 'open', 1793534400000, 'pending', 1793534400000, 0, 0, 8921255842533872478, '1849254131011211', null, x'0100b10002d802e069643d6f662068656c6400ff275c', x'7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', x'');
insert into webhook_deliveries (seq, id, account, webhook, event, type, created, state, due, lease, attempts, batch, lane, wake, body, carrier, log) values (3761314254028876902, 'of gone', 'acme', '1849254131012632', 'of gone', 'open', 1793534400000, 'pending', 1793534400000, 0, 0, 8921255842533872478, '1849254131012632', null, x'0100b10002d802e069643d6f6620676f6e6500ff275c', x'7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', x'');
insert into webhook_deliveries (seq, id, account, webhook, event, type, created, state, due, lease, attempts, batch, lane, wake, body, carrier, log) values (3761314254029315827, 'leased', 'acme', '1849254131006391', 'leased', 'open', 1793534400000, 'pending', 1793534430000, 1, 0, 4857671319107753708, null, null, x'0100b10002d802d069643d6c656173656400ff275c', x'7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', x'');
insert into webhook_deliveries (seq, id, account, webhook, event, type, created, state, due, lease, attempts, batch, lane, wake, body, carrier, log) values (3761314254029315828, 'delivered', 'acme', '1849254131006391', 'delivered', 'open', 1793534400000, 'delivered', 1793534400000, 2, 1, 1634956723134757734, null, null, x'0100b10002d802f00169643d64656c69766572656400ff275c', x'7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', x'2b6d767873326f303020676a6467787320323030200a');
insert into webhook_deliveries (seq, id, account, webhook, event, type, created, state, due, lease, attempts, batch, lane, wake, body, carrier, log) values (3761314254029315829, 'failed', 'acme', '1849254131006391', 'failed', 'open', 1793534400000, 'failed', 1793534400000, 2, 9, 1634956723134757734, null, null, x'0100b10002d802d069643d6661696c656400ff275c', x'7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', x'7b225374617274223a22323032362d31312d30315431323a30303a30305a222c224475726174696f6e223a313030303030303030302c22537461747573223a3530302c22526561736f6e223a2274686520726563656976657220616e73776572656420353030222c2244657461696c223a22222c22526573706f6e7365223a22623239776377442f227d0a');
insert into webhook_leases (due, token, last, ids) values (1793534430000, 1540944949997059038, 1793534430000, '["leased","delivered","failed"]');
insert into webhook_leases (due, token, last, ids) values (1793534430000, 8921255842533872478, 1793534430000, '["pre-leased"]');
alter table webhook_webhooks add column if not exists put bigint not null default 0, add column if not exists tallies longblob;
update webhook_webhooks w join (select id, row_number() over (order by changed, id) as n from webhook_webhooks) r on r.id = w.id
set w.put = r.n where w.put = 0;
create index if not exists webhook_webhooks_put on webhook_webhooks (put);
create table if not exists webhook_puts (
  one  tinyint not null primary key,
  n    bigint not null
) engine = InnoDB;
insert into webhook_puts (one, n) select 1, count(*) from webhook_webhooks on duplicate key update one = 1;
alter table webhook_deliveries
  add column if not exists line_key varbinary(255), add column if not exists parked tinyint,
  add column if not exists stood tinyint, add column if not exists sequence bigint,
  add column if not exists joined bigint, add column if not exists event_time bigint,
  add column if not exists failure varbinary(255), add column if not exists subjects blob;
create index if not exists webhook_deliveries_key on webhook_deliveries (line_key, created);
create table if not exists webhook_subjects (
  subject varbinary(255) not null,
  account varbinary(255) not null,
  created bigint not null,
  id      varbinary(255) not null,
  primary key (subject, account, created, id)
) engine = InnoDB;
create table if not exists webhook_line_events (
  n        bigint not null auto_increment primary key,
  kind     tinyint not null,
  webhook  varbinary(255) not null,
  line_key varbinary(255),
  id       varbinary(255) not null,
  joined   bigint
) engine = InnoDB;
create table if not exists webhook_lines (
  webhook  varbinary(255) not null,
  line_key varbinary(255) not null,
  place    bigint not null,
  id       varbinary(255) not null,
  joined   bigint not null,
  primary key (webhook, line_key, place),
  index webhook_lines_id (id)
) engine = InnoDB;
create table if not exists webhook_steps (
  one  tinyint not null primary key,
  n    bigint not null
) engine = InnoDB;
insert into webhook_steps (one, n) values (1, 0) on duplicate key update one = 1;
insert into webhook_schema (version) values (3) on duplicate key update version = version;
create index if not exists webhook_deliveries_failure on webhook_deliveries (account, failure, created);
insert into webhook_schema (version) values (4) on duplicate key update version = version;
insert into webhook_schema (version) values (5) on duplicate key update version = version;
