-- ARGV[1]: deliveries, each with the fields of its hash, and body: the index in ARGV.
-- Returns the IDs that were stored before.

local had, added = {}, {}
local call_number = call('INCR', prefix .. 'added') -- by which readers know what is later than they
for _, d in ipairs(cjson.decode(ARGV[1])) do
  if call('EXISTS', hash(d.id)) == 0 then
    added[d.id] = true
    local fields = {'added', call_number, 'body', ARGV[tonumber(d.body)]}
    for name, value in pairs(d) do
      if name ~= 'body' then
        fields[#fields + 1] = name
        fields[#fields + 1] = value
      end
    end
    call('HSET', hash(d.id), unpack(fields))
    store(d)
  elseif not added[d.id] then
    had[#had + 1] = d.id
  end
end
return had
