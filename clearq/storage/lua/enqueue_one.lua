-- Put one plain function into a queue that exists: the usual case of enqueue_many, at half its cost.
-- KEYS[1] meta (hash)   ARGV: now, id, queue name, its slug, function, arguments, priority ('' is 0), app ('' none)
-- Touches t:<id> (hash), fn:<queue> / fn.<app>:<queue>, idle:<lane> (zsets), bell:<process>, given:<w> (lists), own:<w>,
--   worker:<w>, queue:<queue> (hashes), events.fn (stream)
-- RETURNS {'queued'} (also for the same task again) | {'exists'} (another task has that id) | {'long'} (its queue is to be
--   made, is fair, or is not called by its slug: enqueue_many knows how; nothing was done)
-- @include base
-- @include order
-- @include give
local id, queue, fn, args, app = ARGV[2], ARGV[4], ARGV[5], ARGV[6], ARGV[8]
local key = task_key(id)
local known = call('HMGET', key, 'fn', 'args')
if known[1] then
  return { (known[1] ~= fn or known[2] and known[2] ~= args) and 'exists' or 'queued' }
end
local name, paused, fair = unpack(call('HMGET', queue_key(queue), 'name', 'paused', 'fair'))
if name ~= ARGV[3] or fair then return { 'long' } end

local now = clock(ARGV[1])
local task = { fn = fn, args = args }
if app == '' then
  call('HSET', key, 'fn', fn, 'args', args, 'queue', queue, 'enqueued', now)
else
  call('HSET', key, 'fn', fn, 'args', args, 'queue', queue, 'enqueued', now, 'x', '1', 'app', app)
  task.app = app
end
if ARGV[7] ~= '' then call('HSET', key, 'priority', ARGV[7]) end
local score = int((1000 - tonumber(ARGV[7] ~= '' and ARGV[7] or '0')) * BAND + next_places(queue, 1))
local lane = lane_of(queue, fn, task.app)
if paused or not give(lane, queue, id, task, score, now) then call('ZADD', P .. lane, score, id) end
call('XADD', P .. 'events.fn', 'MAXLEN', '~', EVENT_ENTRIES, '*', 'at', now, 'name', 'queued', fn, '1')
return { 'queued' }
