-- ARGV[1]: before, and perhaps ids or line. Returns the IDs of the first deliveries of the
-- lines in which another one joined before a time: of all lines, those of some
-- deliveries, or one.

local q, lines = cjson.decode(ARGV[1]), {}
if q.ids then
  for _, id in ipairs(q.ids) do
    local d = load(id)
    if d and in_line(d) then lines[#lines + 1] = line(d) end
  end
elseif q.line then
  lines[1] = q.line
else
  lines = call('SMEMBERS', prefix .. 'blocked')
end

local ids = {}
for i, line in ipairs(lines) do
  local head = first(line)
  for _, entry in ipairs(call('ZRANGE', prefix .. 'joined:' .. line, 0, 1)) do
    if entry:sub(16) ~= head and entry:sub(1, 15) < q.before then ids[#ids + 1] = head end
  end
end
return ids
