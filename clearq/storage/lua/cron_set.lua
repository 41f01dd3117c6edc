-- Define a cron rule, or put another definition in its place, unless that of a later start stands there.
-- KEYS[1] meta (hash)   ARGV: now, name, revision (a word that changes with the definition), since when its worker
--   runs in ms, next slot in ms, then names and values of its fields (fn, args, queue, slug, expression, tz, missed,
--   priority; with.<field>: a further field of the tasks it makes, such as with.app, with.unique, with.options; with.function.name:
--   it describes a task for agents)
-- Touches cron (zset), cron:<name> (hash)
-- RETURNS {'set', slot} | {'kept', slot} (defined so already: its slot stands, however long it has passed)
--   | {'older'} (a worker that began later defined it otherwise) | {'passed', slot} (that slot has run: name a later one)
-- @include base
local now, name, revision, since, slot = clock(ARGV[1]), ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local key, cron = P .. 'cron:' .. name, P .. 'cron'
local fields = {}
for i = 6, #ARGV, 2 do fields[ARGV[i]] = ARGV[i + 1] end
local known = call('HMGET', key, 'revision', 'since', 'expression', 'tz', 'last')
local standing = call('ZSCORE', cron, name)
standing = standing and int(tonumber(standing))

if known[1] and known[1] ~= revision and tonumber(known[2]) > tonumber(since) then return { 'older' } end
if known[1] == revision and standing then
  if tonumber(known[2]) < tonumber(since) then call('HSET', key, 'since', since) end
  return { 'kept', standing }
end
if standing and known[3] == fields.expression and known[4] == fields.tz then
  slot = standing -- the same slots: none is passed over
elseif known[5] and tonumber(slot) <= tonumber(known[5]) then
  return { 'passed', known[5] }
end
call('ZADD', cron, slot, name)
call('DEL', key)
call('HSET', key, 'revision', revision, 'since', since, 'defined', now, unpack(ARGV, 6))
if known[5] then call('HSET', key, 'last', known[5]) end
return { 'set', slot }
