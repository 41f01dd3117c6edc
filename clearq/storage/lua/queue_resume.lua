-- Serve a queue again.
-- KEYS[1] meta (hash)   ARGV: now, name or id
-- Touches queue:<queue> (hash), idle:<lane> (zset), bell:<process> (list), events (stream)
-- RETURNS {'resumed', id} | {'no_queue'}
-- @include base
-- @include queues
-- @include order
local id = find_queue(ARGV[2])
if not id then return { 'no_queue' } end
local now = clock(ARGV[1])
if call('HDEL', queue_key(id), 'paused', 'paused_by', 'paused_why') > 0 then
  call('HINCRBY', queue_key(id), 'rev', 1)
  emit(now, 'queue.resumed', '', id)
end
for _, lane in ipairs(lanes_of(id)) do
  local waiting = call('ZCARD', lane)
  if waiting > 0 then ring_lane(string.sub(lane, #P + 1), math.min(waiting, 100)) end
end
return { 'resumed', id }
