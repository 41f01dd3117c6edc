-- Take every task that waits in a queue, delayed, held on a limit or for its parents too, back to `created`. The first
-- slices are done here; the rest is entered in `todo` and carried on by every claim, beat and timer, so that nobody's
-- crash leaves it.
-- KEYS[1] meta (hash)   ARGV: now, name or id, '1' to begin a clear, '' to carry on with one
-- Touches lanes, delayed, limit.held:*, limit.lane:* (zsets), t:<id>, queue:<queue>, permits:<queue> (hashes),
--   waits:<queue>, todo (sets), unique:<key> (string), events (stream)
-- RETURNS {'cleared', id, tasks taken by this call} | {'more', id, tasks taken by this call} | {'no_queue'}
-- @include base
-- @include order
-- @include queues
-- @include limits
-- @include tasks
-- @include functions
-- @include attempts
-- @include upkeep
local id = find_queue(ARGV[2])
if not id then return { 'no_queue' } end
local now = clock(ARGV[1])
if ARGV[3] == '1' then
  call('HSET', queue_key(id), 'clearing', now)
  -- What an unfinished clear passed over counts anew.
  call('HDEL', queue_key(id), 'clear_waits', 'clear_cursor', 'clear_held')
  for _, lane in ipairs(lanes_of(id)) do call('HDEL', queue_key(id), 'clear_skip:' .. lane) end
  call('SADD', P .. 'todo', 'clear ' .. id)
elseif call('HEXISTS', queue_key(id), 'clearing') == 0 then
  return { 'cleared', id, '0' }
end
local total = 0
for _ = 1, 8 do
  local taken, done = clear_slice(now, id)
  total = total + taken
  if done then
    call('SREM', P .. 'todo', 'clear ' .. id)
    emit(now, 'queue.cleared', '', id)
    return { 'cleared', id, int(total) }
  end
  if total >= 400 then break end -- about 10 ms
end
return { 'more', id, int(total) }
