create table if not exists webhook_schema (version integer not null primary key);
create table webhook_webhooks (
  id      text not null primary key,
  account text not null,
  list    text not null,
  hold    integer not null,
  changed integer not null,
  deleted integer not null,
  version integer not null,
  doc     text not null
) without rowid;
create index webhook_webhooks_account on webhook_webhooks (account, list);
create index webhook_webhooks_changed on webhook_webhooks (changed);
create table webhook_deliveries (
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
create index webhook_deliveries_log on webhook_deliveries (account, created, webhook);
create index webhook_deliveries_created on webhook_deliveries (created);
create index webhook_deliveries_ready on webhook_deliveries (webhook, due) where ready = 1;
create index webhook_deliveries_waiting on webhook_deliveries (due) where ready = 0;
create table webhook_leases (
  due   integer not null,
  token integer not null,
  last  integer not null,
  ids   text not null,
  primary key (due, token)
);
insert into webhook_schema (version) values (1);
insert into webhook_webhooks (id, account, list, hold, changed, deleted, version, doc) values ('1849254130350842', 'acme', '', -62135596800000, 1795938930350, 0, 1, '{"ID":"1849254130350842","Account":"acme","List":"","Hold":"0001-01-01T00:00:00Z","Changed":"2026-11-29T07:55:30.35Z","Deleted":false,"Version":1,"Name":"on","URL":"https://receiver.example/hook","Events":["subscribe","unsubscribe","update","sent","open","click","forward","share","bounce"],"Sources":["public","admin","api","system"],"Format":"","Secrets":[{"Key":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLw5w","Until":"0001-01-01T00:00:00Z"}],"Headers":null,"NoRetry":false,"Off":"","Keep":false,"IgnoredEvents":null,"OffSince":"0001-01-01T00:00:00Z","Created":"2026-11-29T07:55:30.35Z","Revision":1,"NotKept":0,"Health":{"Failures":0,"Since":"0001-01-01T00:00:00Z","Last":"0001-01-01T00:00:00Z","Hours":0,"Success":"0001-01-01T00:00:00Z","Reason":"","Probes":0,"Warned":0,"WarnedAt":"0001-01-01T00:00:00Z","SwitchedOff":false},"Sealed":null}');
insert into webhook_webhooks (id, account, list, hold, changed, deleted, version, doc) values ('1849254130353581', 'acme', '7', -62135596800000, 1793534400000, 0, 2, '{"ID":"1849254130353581","Account":"acme","List":"7","Hold":"0001-01-01T00:00:00Z","Changed":"2026-11-01T12:00:00Z","Deleted":false,"Version":2,"Name":"off","URL":"https://receiver.example/hook","Events":["subscribe","unsubscribe","update","sent","open","click","forward","share","bounce"],"Sources":["public","admin","api","system"],"Format":"","Secrets":null,"Headers":null,"NoRetry":false,"Off":"it failed for days","Keep":true,"IgnoredEvents":null,"OffSince":"2026-11-01T12:00:00Z","Created":"2026-11-29T07:55:30.353Z","Revision":1,"NotKept":3,"Health":{"Failures":0,"Since":"0001-01-01T00:00:00Z","Last":"0001-01-01T00:00:00Z","Hours":0,"Success":"0001-01-01T00:00:00Z","Reason":"","Probes":0,"Warned":0,"WarnedAt":"0001-01-01T00:00:00Z","SwitchedOff":false},"Sealed":null}');
insert into webhook_webhooks (id, account, list, hold, changed, deleted, version, doc) values ('1849254130358017', 'globex', '', 1793538000000, 1793534401000, 0, 2, '{"ID":"1849254130358017","Account":"globex","List":"","Hold":"2026-11-01T13:00:00Z","Changed":"2026-11-01T12:00:01Z","Deleted":false,"Version":2,"Name":"held","URL":"https://receiver.example/hook","Events":["subscribe","unsubscribe","update","sent","open","click","forward","share","bounce"],"Sources":["public","admin","api","system"],"Format":"","Secrets":null,"Headers":null,"NoRetry":false,"Off":"","Keep":false,"IgnoredEvents":null,"OffSince":"0001-01-01T00:00:00Z","Created":"2026-11-29T07:55:30.358Z","Revision":1,"NotKept":0,"Health":{"Failures":0,"Since":"0001-01-01T00:00:00Z","Last":"0001-01-01T00:00:00Z","Hours":0,"Success":"0001-01-01T00:00:00Z","Reason":"","Probes":0,"Warned":0,"WarnedAt":"0001-01-01T00:00:00Z","SwitchedOff":false},"Sealed":null}');
insert into webhook_webhooks (id, account, list, hold, changed, deleted, version, doc) values ('1849254130361793', 'acme', '', -62135596800000, 1793530800000, 1, 2, '{"ID":"1849254130361793","Account":"acme","List":"","Hold":"0001-01-01T00:00:00Z","Changed":"2026-11-01T11:00:00Z","Deleted":true,"Version":2,"Name":"gone","URL":"https://receiver.example/hook","Events":["subscribe","unsubscribe","update","sent","open","click","forward","share","bounce"],"Sources":["public","admin","api","system"],"Format":"","Secrets":null,"Headers":null,"NoRetry":false,"Off":"","Keep":false,"IgnoredEvents":null,"OffSince":"0001-01-01T00:00:00Z","Created":"2026-11-29T07:55:30.361Z","Revision":1,"NotKept":0,"Health":{"Failures":0,"Since":"0001-01-01T00:00:00Z","Last":"0001-01-01T00:00:00Z","Hours":0,"Success":"0001-01-01T00:00:00Z","Reason":"","Probes":0,"Warned":0,"WarnedAt":"0001-01-01T00:00:00Z","SwitchedOff":false},"Sealed":null}');
insert into webhook_deliveries (seq, id, account, webhook, event, type, created, state, due, lease, attempts, ready, body, carrier, log) values (1, 'leased', 'acme', '1849254130350842', 'leased', 'open', 1793534400000, 'pending', 1793534430000, 1, 0, null, x'0100b10002d802d069643d6c656173656400ff275c', x'7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', x'');
insert into webhook_deliveries (seq, id, account, webhook, event, type, created, state, due, lease, attempts, ready, body, carrier, log) values (2, 'delivered', 'acme', '1849254130350842', 'delivered', 'open', 1793534400000, 'delivered', 1793534400000, 2, 1, null, x'0100b10002d802f00169643d64656c69766572656400ff275c', x'7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', x'2b6d767873326f303020676a6467787320323030200a');
insert into webhook_deliveries (seq, id, account, webhook, event, type, created, state, due, lease, attempts, ready, body, carrier, log) values (3, 'failed', 'acme', '1849254130350842', 'failed', 'open', 1793534400000, 'failed', 1793534400000, 2, 9, null, x'0100b10002d802d069643d6661696c656400ff275c', x'7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', x'7b225374617274223a22323032362d31312d30315431323a30303a30305a222c224475726174696f6e223a313030303030303030302c22537461747573223a3530302c22526561736f6e223a2274686520726563656976657220616e73776572656420353030222c2244657461696c223a22222c22526573706f6e7365223a22623239776377442f227d0a');
insert into webhook_deliveries (seq, id, account, webhook, event, type, created, state, due, lease, attempts, ready, body, carrier, log) values (4, 'ready', 'acme', '1849254130350842', 'ready', 'open', 1793534400000, 'pending', 1793534400000, 0, 0, 1, x'0100b10002d802c069643d726561647900ff275c', x'7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', x'');
insert into webhook_deliveries (seq, id, account, webhook, event, type, created, state, due, lease, attempts, ready, body, carrier, log) values (5, 'waiting', 'acme', '1849254130350842', 'waiting', 'open', 1793534400000, 'pending', 1793534460000, 0, 0, 0, x'0100b10002d802e069643d77616974696e6700ff275c', x'7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', x'');
insert into webhook_deliveries (seq, id, account, webhook, event, type, created, state, due, lease, attempts, ready, body, carrier, log) values (6, 'pre-leased', 'acme', '1849254130350842', 'pre-leased', 'open', 1793534400000, 'pending', 1793534430000, 1, 0, null, x'0100b10002d802f00269643d7072652d6c656173656400ff275c', x'7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', x'');
insert into webhook_deliveries (seq, id, account, webhook, event, type, created, state, due, lease, attempts, ready, body, carrier, log) values (7, 'canceled', 'acme', '1849254130353581', 'canceled', 'open', 1793534400000, 'canceled', 1793534400000, 1, 0, null, x'0100b10002d802f00069643d63616e63656c656400ff275c', x'7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', x'');
insert into webhook_deliveries (seq, id, account, webhook, event, type, created, state, due, lease, attempts, ready, body, carrier, log) values (8, 'of held', 'acme', '1849254130358017', 'of held', 'open', 1793534400000, 'pending', 1793534400000, 0, 0, 1, x'0100b10002d802e069643d6f662068656c6400ff275c', x'7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', x'');
insert into webhook_deliveries (seq, id, account, webhook, event, type, created, state, due, lease, attempts, ready, body, carrier, log) values (9, 'of gone', 'acme', '1849254130361793', 'of gone', 'open', 1793534400000, 'pending', 1793534400000, 0, 0, 1, x'0100b10002d802e069643d6f6620676f6e6500ff275c', x'7b227472616365706172656e74223a2230302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136393230333333312d3031227d', x'');
insert into webhook_leases (due, token, last, ids) values (1793534430000, 877526648381803331, 1793534430000, '["leased","delivered","failed"]');
insert into webhook_leases (due, token, last, ids) values (1793534430000, 2313546951072631562, 1793534430000, '["pre-leased"]');
alter table webhook_webhooks add put integer not null default 0;
alter table webhook_webhooks add tallies blob;
update webhook_webhooks set put = r.n
from (select id, row_number() over (order by changed, id) as n from webhook_webhooks) r where r.id = webhook_webhooks.id;
create index webhook_webhooks_put on webhook_webhooks (put);
create table webhook_puts (
  one  integer primary key,
  n    integer not null
);
insert into webhook_puts (one, n) select 1, count(*) from webhook_webhooks;
alter table webhook_deliveries add line_key text;
alter table webhook_deliveries add stood integer;
alter table webhook_deliveries add sequence integer;
alter table webhook_deliveries add joined integer;
alter table webhook_deliveries add event_time integer;
alter table webhook_deliveries add failure text;
alter table webhook_deliveries add subjects text;
create index webhook_deliveries_key on webhook_deliveries (line_key, created) where line_key is not null;
create table webhook_subjects (
  subject text not null,
  account text not null,
  created integer not null,
  id      text not null,
  primary key (subject, account, created, id)
) without rowid;
create table webhook_lines (
  webhook  text not null,
  line_key text not null,
  place    integer not null,
  id       text not null,
  joined   integer not null,
  primary key (webhook, line_key, place)
) without rowid;
create index webhook_lines_id on webhook_lines (id);
create table webhook_steps (
  one  integer primary key,
  n    integer not null
);
insert into webhook_steps (one, n) values (1, 0);
insert into webhook_schema (version) values (2);
create index webhook_deliveries_failure on webhook_deliveries (account, failure, created) where failure is not null;
insert into webhook_schema (version) values (3);
insert into webhook_schema (version) values (4);
