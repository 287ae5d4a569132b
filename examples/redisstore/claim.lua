-- ARGV[1]: the claim. ARGV[2...]: the fields to return of each delivery.
-- The entries of a webhook in the queue begin with its ID and a NUL, which no ID holds.

local c = cjson.decode(ARGV[1])
local queue, claimed = prefix .. 'queue', {}

-- take leases the longest due deliveries of a webhook.
local function take(webhook)
  local room = math.min(c.room[webhook] or c.each, c.limit - #claimed)
  local held = call('HGET', prefix .. 'webhook:' .. webhook, 'held')
  if room <= 0 or held and held > c.now then return end
  local of = webhook .. '\0'
  for _, entry in ipairs(call('ZRANGEBYLEX', queue, '[' .. of, '[' .. of .. c.now .. '\255', 'LIMIT', 0, room)) do
    local was = load(entry:sub(#of + 16))
    call('HINCRBY', hash(was.id), 'lease', 1)
    store(changed(was, {due = c['until']}), was)
    claimed[#claimed + 1] = call('HMGET', hash(was.id), unpack(ARGV, 2))
  end
end

-- take_turns gives a turn to each webhook that has entries between two bounds. It jumps
-- from webhook to webhook, whatever lies between.
local function take_turns(from, to)
  while #claimed < c.limit do
    local entry = call('ZRANGEBYLEX', queue, from, to, 'LIMIT', 0, 1)[1]
    if not entry then return end
    local webhook = entry:match('^[^%z]+')
    take(webhook)
    from = '(' .. webhook .. '\0\255'
  end
end

local after = '(' .. c.after .. '\0\255'
take_turns(after, '+')
take_turns('-', after)
return claimed
