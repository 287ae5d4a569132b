-- ARGV[1]: the ID, and the version that it must have. ARGV[2...]: fields of the hash, each
-- with its value. Returns 1, or 0 if it has another version.

local which = cjson.decode(ARGV[1])
local id = which.id
if not has_version(id, which.version) then return 0 end
call('SREM', account_of(id), id)
local put = call('INCR', prefix .. 'put') -- one script runs at a time: in the order of the commits
call('HSET', hash(id), 'put', put, unpack(ARGV, 2))
call('ZADD', prefix .. 'puts', put, id)
call('SADD', account_of(id), id)
return 1
