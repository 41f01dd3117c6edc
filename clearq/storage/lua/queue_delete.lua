-- Delete a queue that no task names any more.
-- KEYS[1] meta (hash)   ARGV: now, name or id, request ('' none)
-- Touches queues, queue:<queue>, fair:<queue> (hashes), events (stream), series:queue:<queue> (stream),
--   done:<request> (string)
-- RETURNS {'deleted', id} (also for the same request again) | {'no_queue'} | {'not_empty', id, waiting, delayed, running}
-- @include base
-- @include queues
-- @include order
local done = done_before(ARGV[3])
if done then return { 'deleted', done } end
local id = find_queue(ARGV[2])
if not id then return { 'no_queue' } end
local waiting = 0
local lanes = lanes_of(id)
for _, lane in ipairs(lanes) do waiting = waiting + call('ZCARD', lane) end
local counts = call('HMGET', queue_key(id), 'delayed', 'running', 'held')
local delayed, running = tonumber(counts[1] or '0'), tonumber(counts[2] or '0')
waiting = waiting + tonumber(counts[3] or '0')
if waiting + delayed + running > 0 then
  return { 'not_empty', id, int(waiting), int(delayed), int(running) }
end
local now = clock(ARGV[1])
call('HDEL', P .. 'queues', call('HGET', queue_key(id), 'name'))
call('DEL', queue_key(id), P .. 'series:queue:' .. id, P .. 'permits:' .. id, P .. 'fair:' .. id)
for _, lane in ipairs(lanes) do call('DEL', P .. 'idle:' .. string.sub(lane, #P + 1)) end
call('SREM', P .. 'todo', 'clear ' .. id)
emit(now, 'queue.deleted', '', id)
note_done(ARGV[3], id)
return { 'deleted', id }
