-- What the scripts of webhooks share. It stands before each of them.
--
-- A webhook is a hash. puts has the IDs of all, by the numbers of their puts, and
-- account:… the IDs of an account's.

local call = redis.call
local prefix = KEYS[1]

local function hash(id) return prefix .. 'webhook:' .. id end
local function account_of(id) return prefix .. 'account:' .. (call('HGET', hash(id), 'account') or '') end
local function has_version(id, version) return (call('HGET', hash(id), 'version') or '0') == version end
