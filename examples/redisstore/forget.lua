-- ARGV[1]: IDs of webhooks, with their versions. Removes those that still have the version.

for id, version in pairs(cjson.decode(ARGV[1])) do
  if has_version(id, version) then
    call('SREM', account_of(id), id)
    call('ZREM', prefix .. 'puts', id)
    call('DEL', hash(id))
  end
end
return 0
