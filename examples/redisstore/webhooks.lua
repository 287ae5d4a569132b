-- ARGV[1]: which webhooks: ids, account, or those put after a number. ARGV[2...]: the
-- fields to return of each.

local q, ids = cjson.decode(ARGV[1]), nil
if q.ids then
  ids = q.ids
elseif q.account then
  ids = call('SMEMBERS', prefix .. 'account:' .. q.account)
else
  ids = call('ZRANGEBYSCORE', prefix .. 'puts', '(' .. q.after, '+inf')
end
local found = {}
for i, id in ipairs(ids) do found[i] = call('HMGET', hash(id), unpack(ARGV, 2)) end
return found
