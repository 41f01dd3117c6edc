-- Set the size of a limit by key, or take it away. What waits or runs is counted on; the worst of too many go back.
-- By hand it wins over what apps declare; taken off ('' as size), the declared one holds again, if there is one.
-- KEYS[1] meta (hash)   ARGV: now, queue name or id, limit name, size ('' none), period of a rate in ms ('' for a limit
--   of what waits in a lane or runs at the same time), `app` when a worker declares it, `rm` to forget it, declared or not
--   (absent or '': by hand)
-- Touches queue:<queue>, permits:<queue> (hashes), limit.held:*, limit.lane:*, lanes (zsets), todo (set), events (stream)
-- RETURNS {'set', queue id, size that holds ('' none), '1' if it was set by hand} (also when it had that size)
--   | {'no_queue'} | {'bad_size'} (not a whole number from 1 up, or nothing declared)
-- @include base
-- @include order
-- @include queues
-- @include limits
local queue, name, size, by = find_queue(ARGV[2]), ARGV[3], ARGV[4], ARGV[6]
if not queue then return { 'no_queue' } end
if size == '' and by == 'app' then return { 'bad_size' } end
if size ~= '' and not string.match(size, '^[1-9]%d*$') then return { 'bad_size' } end
if ARGV[5] ~= '' then
  if size == '' or not string.match(ARGV[5], '^[1-9]%d*$') then return { 'bad_size' } end
  size = size .. '/' .. ARGV[5]
end
local now, key = clock(ARGV[1]), queue_key(queue)
if by == 'app' then
  declare_sizes(now, queue, name .. '=' .. size, true)
elseif size == '' then
  call('HDEL', key, 'limit.hand:' .. name)
  if by == 'rm' then call('HDEL', key, 'limit.app:' .. name) end
  hold_size(now, queue, name, call('HGET', key, 'limit.app:' .. name) or '')
else
  call('HSET', key, 'limit.hand:' .. name, '1')
  hold_size(now, queue, name, size)
end
local holds = call('HMGET', key, 'limit:' .. name, 'limit.hand:' .. name)
return { 'set', queue, holds[1] or '', holds[2] or '' }
