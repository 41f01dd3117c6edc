-- Take every task that waits in a queue, delayed, held on a limit or for its parents too, back to `created`. The first
-- slices are done here; the rest is entered in `todo` and carried on by every claim, beat and timer, so that nobody's
-- crash leaves it.
-- KEYS[1] meta (hash)   ARGV: now, name or id, '1' to begin a clear, '' to carry on with one, request
-- Touches lanes, delayed, limit.held:*, limit.lane:* (zsets), t:<id>, queue:<queue>, permits:<queue> (hashes),
--   waits:<queue>, todo (sets), unique:<key>, done:<request> (strings), events, events.fn (streams)
-- RETURNS {'cleared', id, tasks taken since it began} (also for the same request again, for a minute)
--   | {'more', id, tasks taken so far} | {'no_queue'}
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
local key, request = queue_key(id), ARGV[4] or ''
local before = done_before(request)
if before then return { 'cleared', id, before } end
local now = clock(ARGV[1])
pass_when_full()
if ARGV[3] == '1' and (request == '' or call('HGET', key, 'clear_request') ~= request) then
  call('HSET', key, 'clearing', now, 'clear_request', request)
  -- What an unfinished clear passed over counts anew.
  call('HDEL', key, 'clear_waits', 'clear_cursor', 'clear_held')
  for _, lane in ipairs(lanes_of(id)) do call('HDEL', key, 'clear_skip:' .. lane) end
  call('SADD', P .. 'todo', 'clear ' .. id)
elseif call('HEXISTS', key, 'clearing') == 0 then
  return { 'cleared', id, '0' }
end
local total, done
for _ = 1, 8 do
  total, done = clear_slice(now, id)
  if done then
    call('SREM', P .. 'todo', 'clear ' .. id)
    return { 'cleared', id, int(total) }
  end
  if clear_cost > CLEAR_MOST then break end -- with one slice more, about 10 ms
end
return { 'more', id, int(total) }
