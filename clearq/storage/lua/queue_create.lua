-- Make a queue.
-- KEYS[1] meta (hash)   ARGV: now, name, slug, tags (JSON list), request ('' none), '1' for a fair queue, then keys
--   and their weights
-- Touches queues, queue:<queue>, fair:<queue> (hashes), done:<request> (string), events (stream)
-- RETURNS {'created', id} (also for the same request again) | {'exists', id of the queue with that name or id}
-- @include base
-- @include queues
local done = done_before(ARGV[5])
if done then return { 'created', done } end
local found = find_queue(ARGV[2])
if found then return { 'exists', found } end
local now = clock(ARGV[1])
local id = make_queue(now, ARGV[2], ARGV[3])
if ARGV[4] ~= '[]' then call('HSET', queue_key(id), 'tags', ARGV[4]) end
if ARGV[6] == '1' then call('HSET', queue_key(id), 'fair', '0') end
for i = 7, #ARGV, 2 do call('HSET', P .. 'fair:' .. id, 'w:' .. ARGV[i], ARGV[i + 1]) end
note_done(ARGV[5], id)
return { 'created', id }
