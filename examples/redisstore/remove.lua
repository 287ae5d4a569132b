-- ARGV[1]: IDs of deliveries, with their leases. Removes those that still have the lease,
-- and returns how many.

local n = 0
for id, lease in pairs(cjson.decode(ARGV[1])) do
  local d = load(id)
  if d and d.lease == lease then
    reorder(orders(d), {})
    call('DEL', hash(id))
    n = n + 1
  end
end
return n
