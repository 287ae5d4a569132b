-- What the scripts of deliveries share. It stands before each of them.
--
-- A delivery is a hash. Its times are texts of 15 digits, so that they sort. Most other
-- keys are orders in which deliveries are looked for: sorted sets whose scores are 0 and
-- whose entries sort by their bytes. A script runs alone, so that nobody sees a part of
-- what it does. The append-only file has all of it, or a part that redis-check-aof removes.

local call = redis.call
local prefix = KEYS[1]

local function hash(id) return prefix .. 'delivery:' .. id end

-- load returns what decides on a delivery's places; nil if it is not stored.
local function load(id)
  local names = {'id', 'account', 'webhook', 'created', 'key', 'subjects', 'failure', 'state', 'due', 'lease', 'joined', 'passed', 'sequence'}
  local values, d = call('HMGET', hash(id), unpack(names)), {}
  if not values[1] then return nil end
  for i, name in ipairs(names) do d[name] = values[i] end
  return d
end

-- changed returns a copy of d with some fields changed.
local function changed(d, fields)
  local copy = {}
  for name, value in pairs(d) do copy[name] = value end
  for name, value in pairs(fields) do copy[name] = value end
  return copy
end

-- A line is a sorted set of IDs whose scores are their places. Its first delivery alone
-- is in the queue.

local function in_line(d) return d.state == 'pending' and d.key ~= '' and d.passed == '' end
local function line(d) return d.webhook .. '\0' .. d.key end
local function first(line) return call('ZRANGE', prefix .. 'line:' .. line, 0, 0)[1] end
local function queued(d) return d.webhook .. '\0' .. d.due .. d.id end

-- join gives d the last place of its line, and a Sequence if it has none yet.
local function join(d)
  call('ZADD', prefix .. 'line:' .. line(d), call('INCR', prefix .. 'place'), d.id)
  if d.sequence == '' then
    local counter = prefix .. 'sequence'
    local least = (tonumber(d.joined) - 62135596800000) * 1024 -- since 1970, not since the year 1
    if least > tonumber(call('GET', counter) or '0') then
      call('SET', counter, string.format('%.0f', least))
    end
    call('INCR', counter)
    d.sequence = call('GET', counter) -- as text: a number of Lua has 53 bits
  end
end

-- leave removes d from its line, and queues the next one if d was the first.
local function leave(d)
  call('ZREM', prefix .. 'line:' .. line(d), d.id)
  local next = first(line(d))
  if next then call('ZADD', prefix .. 'queue', 0, queued(load(next))) end
end

-- orders returns the entries of d, by the sorted sets that have them.
local function orders(d)
  local created, entries = d.created .. d.id, {}
  local logs = {'', 'account:' .. d.account, 'webhook:' .. d.webhook, 'failure:' .. d.failure}
  for _, subject in ipairs(cjson.decode(d.subjects)) do logs[#logs + 1] = 'subject:' .. subject end
  if d.key ~= '' then logs[#logs + 1] = 'key:' .. line(d) end
  for _, of in ipairs(logs) do
    entries['log:' .. of] = created
    if d.state == 'pending' then entries['pending:' .. of] = created end
  end
  if in_line(d) then entries['joined:' .. line(d)] = d.joined .. d.id end
  if d.state ~= 'pending' then
    entries['finished'] = d.due .. d.id
  elseif not in_line(d) or first(line(d)) == d.id then
    entries['queue'] = queued(d)
  end
  return entries
end

-- reorder replaces a delivery's entries before a change by those after it.
local function reorder(before, after)
  for set, entry in pairs(before) do
    if after[set] ~= entry then call('ZREM', prefix .. set, entry) end
  end
  for set, entry in pairs(after) do
    if before[set] ~= entry then call('ZADD', prefix .. set, 0, entry) end
  end
end

-- store stores d in its places. was is what it was before; nil: it is new.
local function store(d, was)
  local before = was and orders(was) or {}
  local stood, stands = was ~= nil and in_line(was), in_line(d)
  if stands and not stood then join(d) end
  if stood and not stands then leave(was) end
  call('HSET', hash(d.id), 'key', d.key, 'subjects', d.subjects, 'failure', d.failure, 'state', d.state,
    'due', d.due, 'joined', d.joined, 'passed', d.passed, 'sequence', d.sequence)
  reorder(before, orders(d))
  if stood ~= stands then
    local of = stood and line(was) or line(d)
    call(call('ZCARD', prefix .. 'line:' .. of) > 1 and 'SADD' or 'SREM', prefix .. 'blocked', of)
  end
end
