-- Change a queue's name or tags.
-- KEYS[1] meta (hash)   ARGV: now, name or id, new name ('' keeps it), tags as JSON list ('' keeps them)
-- Touches queues (hash), queue:<queue> (hash), events (stream)
-- RETURNS {'updated', id} | {'no_queue'} | {'exists', id of the queue that has the new name}
-- @include base
-- @include queues
local id = find_queue(ARGV[2])
if not id then return { 'no_queue' } end
if ARGV[3] ~= '' then
  local other = find_queue(ARGV[3])
  if other and other ~= id then return { 'exists', other } end
end
local now = clock(ARGV[1])
if ARGV[3] ~= '' then
  call('HDEL', P .. 'queues', call('HGET', queue_key(id), 'name'))
  call('HSET', P .. 'queues', ARGV[3], id)
  call('HSET', queue_key(id), 'name', ARGV[3])
end
if ARGV[4] ~= '' then call('HSET', queue_key(id), 'tags', ARGV[4]) end
call('HINCRBY', queue_key(id), 'rev', 1)
emit(now, 'queue.updated', '', id)
ring_lane('q:' .. id, 100)
return { 'updated', id }
