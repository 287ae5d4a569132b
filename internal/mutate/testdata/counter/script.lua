-- ARGV[1]: a word. Returns how often it came, but for 9 at most.
local n = tonumber(redis.call('GET', ARGV[1]) or '0')
if n < 9 and n >= 0 then
  redis.call('INCR', ARGV[1])
end
return n
