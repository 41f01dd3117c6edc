-- Hand an attempt back unharmed: the task waits at its old place and no attempt is counted.
-- KEYS[1] meta (hash)   ARGV: now, id, fence, reason, pause in ms ('' none)
-- Touches t:<id>, own:<w>, beats, gpus:<host_id>, queue:<queue> (hashes), lanes, delayed, changed (zsets), events
-- RETURNS {'queued'} (also for the fence that ended it) | {'stopped'} | {'failed'} | {'stale'}
-- @include base
-- @include order
-- @include limits
-- @include tasks
-- @include functions
-- @include attempts
local id, fence, reason = ARGV[2], ARGV[3], ARGV[4]
pass_when_full()
local task = read_state(id)
local word = check_fence(id, task, fence)
if word == 'stale' then return { 'stale' } end
if word == 'again' then return { task.status } end
local now = clock(ARGV[1])
if task.stop then
  end_task(id, task, now, 'stopped', reason, '')
  return { 'stopped' }
end
if not queue_exists(task.queue) then
  end_task(id, task, now, 'failed', reason, 'handed back, but it belongs to no queue')
  return { 'failed' }
end
local due = ARGV[5] ~= '' and int(tonumber(now) + tonumber(ARGV[5])) or nil
call('HINCRBY', task_key(id), 'releases', 1)
requeue(id, task, now, reason, NOT_COUNTED, due, 'task.released')
return { 'queued' }
