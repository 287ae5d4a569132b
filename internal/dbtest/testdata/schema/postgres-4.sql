create table if not exists webhook_schema (version integer not null primary key);
create table webhook_webhooks (
  id      text collate "C" not null primary key,
  account text collate "C" not null,
  list    text collate "C" not null,
  hold    bigint not null,
  changed bigint not null,
  deleted smallint not null,
  version bigint not null,
  doc     text not null
);
create index webhook_webhooks_account on webhook_webhooks (account, list);
create index webhook_webhooks_changed on webhook_webhooks (changed);
create table webhook_deliveries (
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
create index webhook_deliveries_log on webhook_deliveries (account, created, webhook);
create index webhook_deliveries_created on webhook_deliveries (created);
create table webhook_ready (
  webhook text collate "C" not null,
  due     bigint not null,
  id      text collate "C" not null,
  primary key (webhook, due, id)
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
create table webhook_waiting (
  due     bigint not null,
  id      text collate "C" not null,
  webhook text collate "C" not null,
  primary key (due, id)
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
create table webhook_leases (
  due     bigint not null,
  token   bigint not null,
  last    bigint not null,
  ids     json not null,
  primary key (due, token)
) with (
  autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0,
  toast.autovacuum_vacuum_scale_factor = 0.01, toast.autovacuum_vacuum_threshold = 1000, toast.autovacuum_vacuum_cost_delay = 0);
alter table webhook_leases alter ids set storage external;
insert into webhook_schema (version) values (1);
insert into webhook_webhooks (id, account, list, hold, changed, deleted, version, doc) values ('1849254130442238', 'acme', '', -62135596800000, 1795938930442, 0, 1, '{"ID":"1849254130442238","Account":"acme","List":"","Hold":"0001-01-01T00:00:00Z","Changed":"2026-11-29T07:55:30.442Z","Deleted":false,"Version":1,"Name":"on","URL":"https://receiver.example/hook","Events":["subscribe","unsubscribe","update","sent","open","click","forward","share","bounce"],"Sources":["public","admin","api","system"],"Format":"","Secrets":[{"Key":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLw5w","Until":"0001-01-01T00:00:00Z"}],"Headers":null,"NoRetry":false,"Off":"","Keep":false,"IgnoredEvents":null,"OffSince":"0001-01-01T00:00:00Z","Created":"2026-11-29T07:55:30.442Z","Revision":1,"NotKept":0,"Health":{"Failures":0,"Since":"0001-01-01T00:00:00Z","Last":"0001-01-01T00:00:00Z","Hours":0,"Success":"0001-01-01T00:00:00Z","Reason":"","Probes":0,"Warned":0,"WarnedAt":"0001-01-01T00:00:00Z","SwitchedOff":false},"Sealed":null}');
insert into webhook_webhooks (id, account, list, hold, changed, deleted, version, doc) values ('1849254130544127', 'acme', '7', -62135596800000, 1793534400000, 0, 2, '{"ID":"1849254130544127","Account":"acme","List":"7","Hold":"0001-01-01T00:00:00Z","Changed":"2026-11-01T12:00:00Z","Deleted":false,"Version":2,"Name":"off","URL":"https://receiver.example/hook","Events":["subscribe","unsubscribe","update","sent","open","click","forward","share","bounce"],"Sources":["public","admin","api","system"],"Format":"","Secrets":null,"Headers":null,"NoRetry":false,"Off":"it failed for days","Keep":true,"IgnoredEvents":null,"OffSince":"2026-11-01T12:00:00Z","Created":"2026-11-29T07:55:30.544Z","Revision":1,"NotKept":3,"Health":{"Failures":0,"Since":"0001-01-01T00:00:00Z","Last":"0001-01-01T00:00:00Z","Hours":0,"Success":"0001-01-01T00:00:00Z","Reason":"","Probes":0,"Warned":0,"WarnedAt":"0001-01-01T00:00:00Z","SwitchedOff":false},"Sealed":null}');
insert into webhook_webhooks (id, account, list, hold, changed, deleted, version, doc) values ('1849254130584452', 'globex', '', 1793538000000, 1793534401000, 0, 2, '{"ID":"1849254130584452","Account":"globex","List":"","Hold":"2026-11-01T13:00:00Z","Changed":"2026-11-01T12:00:01Z","Deleted":false,"Version":2,"Name":"held","URL":"https://receiver.example/hook","Events":["subscribe","unsubscribe","update","sent","open","click","forward","share","bounce"],"Sources":["public","admin","api","system"],"Format":"","Secrets":null,"Headers":null,"NoRetry":false,"Off":"","Keep":false,"IgnoredEvents":null,"OffSince":"0001-01-01T00:00:00Z","Created":"2026-11-29T07:55:30.584Z","Revision":1,"NotKept":0,"Health":{"Failures":0,"Since":"0001-01-01T00:00:00Z","Last":"0001-01-01T00:00:00Z","Hours":0,"Success":"0001-01-01T00:00:00Z","Reason":"","Probes":0,"Warned":0,"WarnedAt":"0001-01-01T00:00:00Z","SwitchedOff":false},"Sealed":null}');
insert into webhook_webhooks (id, account, list, hold, changed, deleted, version, doc) values ('1849254130604804', 'acme', '', -62135596800000, 1793530800000, 1, 2, '{"ID":"1849254130604804","Account":"acme","List":"","Hold":"0001-01-01T00:00:00Z","Changed":"2026-11-01T11:00:00Z","Deleted":true,"Version":2,"Name":"gone","URL":"https://receiver.example/hook","Events":["subscribe","unsubscribe","update","sent","open","click","forward","share","bounce"],"Sources":["public","admin","api","system"],"Format":"","Secrets":null,"Headers":null,"NoRetry":false,"Off":"","Keep":false,"IgnoredEvents":null,"OffSince":"0001-01-01T00:00:00Z","Created":"2026-11-29T07:55:30.604Z","Revision":1,"NotKept":0,"Health":{"Failures":0,"Since":"0001-01-01T00:00:00Z","Last":"0001-01-01T00:00:00Z","Hours":0,"Success":"0001-01-01T00:00:00Z","Reason":"","Probes":0,"Warned":0,"WarnedAt":"0001-01-01T00:00:00Z","SwitchedOff":false},"Sealed":null}');
insert into webhook_deliveries (id, account, webhook, event, type, created, state, due, lease, gone, attempts, queued, body, carrier, log) values ('canceled', 'acme', '1849254130544127', 'canceled', 'open', 1793534400000, 'canceled', 1793534400000, 1, 1793534400000, 0, false, '\x0100b10002d802f00069643d63616e63656c656400ff275c', '\x7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', '\x');
insert into webhook_deliveries (id, account, webhook, event, type, created, state, due, lease, gone, attempts, queued, body, carrier, log) values ('delivered', 'acme', '1849254130442238', 'delivered', 'open', 1793534400000, 'delivered', 1793534400000, 2, null, 1, false, '\x0100b10002d802f00169643d64656c69766572656400ff275c', '\x7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', '\x2b6d767873326f303020676a6467787320323030200a');
insert into webhook_deliveries (id, account, webhook, event, type, created, state, due, lease, gone, attempts, queued, body, carrier, log) values ('failed', 'acme', '1849254130442238', 'failed', 'open', 1793534400000, 'failed', 1793534400000, 2, null, 9, false, '\x0100b10002d802d069643d6661696c656400ff275c', '\x7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', '\x7b225374617274223a22323032362d31312d30315431323a30303a30305a222c224475726174696f6e223a313030303030303030302c22537461747573223a3530302c22526561736f6e223a2274686520726563656976657220616e73776572656420353030222c2244657461696c223a22222c22526573706f6e7365223a22623239776377442f227d0a');
insert into webhook_deliveries (id, account, webhook, event, type, created, state, due, lease, gone, attempts, queued, body, carrier, log) values ('leased', 'acme', '1849254130442238', 'leased', 'open', 1793534400000, 'pending', 1793534430000, 1, null, 0, false, '\x0100b10002d802d069643d6c656173656400ff275c', '\x7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', '\x');
insert into webhook_deliveries (id, account, webhook, event, type, created, state, due, lease, gone, attempts, queued, body, carrier, log) values ('of gone', 'acme', '1849254130604804', 'of gone', 'open', 1793534400000, 'pending', 1793534400000, 0, null, 0, true, '\x0100b10002d802e069643d6f6620676f6e6500ff275c', '\x7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', '\x');
insert into webhook_deliveries (id, account, webhook, event, type, created, state, due, lease, gone, attempts, queued, body, carrier, log) values ('of held', 'acme', '1849254130584452', 'of held', 'open', 1793534400000, 'pending', 1793534400000, 0, null, 0, true, '\x0100b10002d802e069643d6f662068656c6400ff275c', '\x7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', '\x');
insert into webhook_deliveries (id, account, webhook, event, type, created, state, due, lease, gone, attempts, queued, body, carrier, log) values ('pre-leased', 'acme', '1849254130442238', 'pre-leased', 'open', 1793534400000, 'pending', 1793534430000, 1, null, 0, false, '\x0100b10002d802f00269643d7072652d6c656173656400ff275c', '\x7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', '\x');
insert into webhook_deliveries (id, account, webhook, event, type, created, state, due, lease, gone, attempts, queued, body, carrier, log) values ('ready', 'acme', '1849254130442238', 'ready', 'open', 1793534400000, 'pending', 1793534400000, 0, null, 0, true, '\x0100b10002d802c069643d726561647900ff275c', '\x7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', '\x');
insert into webhook_deliveries (id, account, webhook, event, type, created, state, due, lease, gone, attempts, queued, body, carrier, log) values ('waiting', 'acme', '1849254130442238', 'waiting', 'open', 1793534400000, 'pending', 1793534460000, 0, null, 0, true, '\x0100b10002d802e069643d77616974696e6700ff275c', '\x7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', '\x');
insert into webhook_ready (webhook, due, id) values ('1849254130442238', 1793534400000, 'ready');
insert into webhook_ready (webhook, due, id) values ('1849254130584452', 1793534400000, 'of held');
insert into webhook_ready (webhook, due, id) values ('1849254130604804', 1793534400000, 'of gone');
insert into webhook_waiting (due, id, webhook) values (1793534460000, 'waiting', '1849254130442238');
insert into webhook_leases (due, token, last, ids) values (1793534430000, 4803295866063691269, 1793534430000, '["delivered", "failed", "leased"]');
insert into webhook_leases (due, token, last, ids) values (1793534430000, 5032046462735827631, 1793534430000, '["pre-leased"]');
alter table webhook_webhooks add put bigint not null default 0, add tallies bytea;
update webhook_webhooks w set put = r.n
from (select id, row_number() over (order by changed, id) as n from webhook_webhooks) r where r.id = w.id;
create index webhook_webhooks_put on webhook_webhooks (put);
create table webhook_puts (
  one  smallint not null primary key,
  n    bigint not null
);
insert into webhook_puts (one, n) select 1, count(*) from webhook_webhooks;
alter table webhook_deliveries
  add line_key text collate "C", add stood boolean, add sequence bigint, add joined bigint,
  add event_time bigint, add failure text collate "C", add subjects text;
create index webhook_deliveries_key on webhook_deliveries (line_key, created) where line_key is not null;
create table webhook_subjects (
  subject text collate "C" not null,
  account text collate "C" not null,
  created bigint not null,
  id      text collate "C" not null,
  primary key (subject, account, created, id)
);
create table webhook_line_events (
  n        bigint generated by default as identity primary key,
  kind     smallint not null,
  webhook  text collate "C" not null,
  line_key text collate "C",
  id       text collate "C" not null,
  joined   bigint
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
create table webhook_lines (
  webhook  text collate "C" not null,
  line_key text collate "C" not null,
  place    bigint not null,
  id       text collate "C" not null,
  joined   bigint not null,
  primary key (webhook, line_key, place)
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
create index webhook_lines_id on webhook_lines (id);
create sequence webhook_steps;
insert into webhook_schema (version) values (2);
create index webhook_deliveries_failure on webhook_deliveries (account, failure, created) where failure is not null;
insert into webhook_schema (version) values (3);
alter table webhook_deliveries set (fillfactor = 50);
insert into webhook_schema (version) values (4);
