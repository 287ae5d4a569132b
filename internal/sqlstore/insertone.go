package sqlstore

// One delivery that the app stores in its own transaction needs no JSON, which the server
// would have to parse, and enters one queue only.

// postgresInsertOne inserts one delivery that is ready.
const postgresInsertOne = `
with added as (
  insert into {}deliveries (
    id, account, webhook, event, type, created, state, due, lease, attempts, queued, body, carrier, log, event_time)
  values (@i, @a, @w, @e, @t, @c, @s, @d, @l, @n, true, @b, @h, @g, @z)
  on conflict (id) do nothing
  returning id, webhook, due
), new_ready as (
  insert into {}ready (webhook, due, id) select webhook, due, id from added
  on conflict do nothing
)
select id from added`

// mariadbInsertOne inserts one delivery that is ready.
const mariadbInsertOne = `
insert into {}deliveries (
  seq, id, account, webhook, event, type, created, state, due, lease, attempts, batch, lane,
  body, carrier, log, event_time)
values (@k, @i, @a, @w, @e, @t, @c, @s, @d, @l, @n, @token, @w, @b, @h, @g, @z)`
