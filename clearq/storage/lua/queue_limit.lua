-- Set the size of a limit by key, or take it away. What waits or runs is counted on; the worst of too many go back.
-- KEYS[1] meta (hash)   ARGV: now, queue name or id, limit name, size ('' none), period of a rate in ms ('' for a limit
--   of what waits in a lane or runs at the same time)
-- Touches queue:<queue>, permits:<queue> (hashes), limit.held:*, limit.lane:*, lanes (zsets), todo (set), events (stream)
-- RETURNS {'set', queue id} (also when it had that size) | {'no_queue'}
-- @include base
-- @include order
-- @include queues
-- @include limits
local queue, name, size = find_queue(ARGV[2]), ARGV[3], ARGV[4]
if not queue then return { 'no_queue' } end
if ARGV[5] ~= '' then size = size .. '/' .. ARGV[5] end
if (call('HGET', queue_key(queue), 'limit:' .. name) or '') == size then return { 'set', queue } end
local now = clock(ARGV[1])
if size == '' then
  call('HDEL', queue_key(queue), 'limit:' .. name)
else
  call('HSET', queue_key(queue), 'limit:' .. name, size)
end
call('HINCRBY', queue_key(queue), 'rev', 1)
local following = resize_slice(queue, name, '0')
if following ~= '0' then call('SADD', P .. 'todo', 'resize ' .. queue .. ' ' .. name .. ' ' .. following) end
emit(now, 'queue.limited', '', queue, '', '', name .. ' ' .. (size == '' and 'none' or size))
return { 'set', queue }
