-- ARGV[1]: changes. Returns the IDs of those whose delivery has another lease.

local lost = {}
for _, c in ipairs(cjson.decode(ARGV[1])) do
  local was = load(c.id)
  if was and was.lease == c.lease then
    local d = changed(was, {state = c.state, due = c.due})
    if c.erase then
      call('HDEL', hash(c.id), 'body', 'carrier', 'log')
      d.subjects, d.failure, d.key, d.passed = '[]', '', '', ''
    end
    if c.drop then call('HDEL', hash(c.id), 'body') end
    if c.leave and d.key ~= '' then
      d.passed = '1'
    elseif was.state ~= 'pending' and d.state == 'pending' then
      d.passed = ''
    end
    if in_line(d) and not in_line(was) then d.joined = c.joined end
    if c.rewrite then
      call('HSET', hash(c.id), 'log', c.rewrite)
      d.failure = c.failure
    end
    if c.log then
      local log = call('HGET', hash(c.id), 'log')
      call('HSET', hash(c.id), 'log', log and log .. ',' .. c.log or c.log)
      d.failure = c.failure
    end
    call('HSET', hash(c.id), 'attempts', c.attempts)
    call('HINCRBY', hash(c.id), 'lease', 1)
    store(d, was)
  else
    lost[#lost + 1] = c.id
  end
end
return lost
