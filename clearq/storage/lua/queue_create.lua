-- Make a queue.
-- KEYS[1] meta (hash)   ARGV: now, name, slug, tags (JSON list)
-- Touches queues (hash), queue:<queue> (hash), events (stream)
-- RETURNS {'created', id} | {'exists', id of the queue with that name or id}
-- @include base
-- @include queues
local found = find_queue(ARGV[2])
if found then return { 'exists', found } end
local now = clock(ARGV[1])
local id = make_queue(now, ARGV[2], ARGV[3])
if ARGV[4] ~= '[]' then call('HSET', queue_key(id), 'tags', ARGV[4]) end
return { 'created', id }
