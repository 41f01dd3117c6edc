-- The attempt failed: another one after a pause while its retries last, else the task fails.
-- The pause doubles: retry_delay x 2^(failures - 1), at most retry_delay_max, plus up to a tenth by chance.
-- KEYS[1] meta (hash)   ARGV: now, id, fence, reason, message, exit code ('' none), chance from 0 to 1,
--   '1' for a failure that no retry can mend, a function's error ('' none), pause in ms before a retry ('' the task's own)
-- Touches t:<id>, own:<w>, beats, gpus:<host_id>, queue:<queue> (hashes), lanes, delayed, dead, lost, changed (zsets),
--   waiters:<id> (set), idle:<lane> (zset), bell:<process> (list), events (stream)
-- RETURNS {'queued'} | {'failed'} | {'stopped'} (each also for the fence that ended it) | {'stale'}
-- @include base
-- @include order
-- @include limits
-- @include tasks
-- @include functions
-- @include attempts
local id, fence, reason, message = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
pass_when_full()
local task = read_state(id)
local word = check_fence(id, task, fence)
if word == 'stale' then return { 'stale' } end
if word == 'again' then return { task.status } end
local now = clock(ARGV[1])
local failures = tonumber(task.failures or '0') + 1
call('HSET', task_key(id), 'failures', int(failures))
if ARGV[6] ~= '' then call('HSET', task_key(id), 'exit_code', ARGV[6]) end
if (ARGV[9] or '') ~= '' then call('HSET', task_key(id), 'error', ARGV[9]) end
if failures > tonumber(task['limits.retries'] or '0') or ARGV[8] == '1' then
  end_task(id, task, now, 'failed', reason, message, ARGV[6])
  set_aside(id, now)
  return { 'failed' }
end
if not queue_exists(task.queue) then
  end_task(id, task, now, 'failed', reason .. '; no retry: its queue is deleted', message, ARGV[6])
  return { 'failed' }
end
if task.stop then
  end_task(id, task, now, 'stopped', reason, message, ARGV[6])
  return { 'stopped' }
end
local delay = tonumber(task['limits.retry_delay'] or DEFAULT_RETRY_DELAY) * 2 ^ math.min(failures - 1, 40)
delay = math.min(delay, tonumber(task['limits.retry_delay_max'] or DEFAULT_RETRY_DELAY_MAX))
delay = math.floor(delay * (1 + tonumber(ARGV[7]) / 10) * 1000)
if (ARGV[10] or '') ~= '' then delay = tonumber(ARGV[10]) end
requeue(id, task, now, reason, message, int(tonumber(now) + delay), 'task.retried')
return { 'queued' }
