-- Stop serving a queue. What runs goes on; what waits keeps its place.
-- KEYS[1] meta (hash)   ARGV: now, name or id, by, why
-- Touches queue:<queue> (hash), events (stream)
-- RETURNS {'paused', id} | {'no_queue'}
-- @include base
-- @include queues
local id = find_queue(ARGV[2])
if not id then return { 'no_queue' } end
local now = clock(ARGV[1])
call('HSET', queue_key(id), 'paused', now, 'paused_by', ARGV[3], 'paused_why', ARGV[4])
call('HINCRBY', queue_key(id), 'rev', 1)
emit(now, 'queue.paused', '', id, '', '', ARGV[4])
return { 'paused', id }
