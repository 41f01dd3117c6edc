-- The attempt ends and the task with it.
-- KEYS[1] meta (hash)   ARGV: now, id, fence, status (completed failed stopped), reason, message, exit code ('' none),
--   a function's result or error ('' none)
-- Touches t:<id>, own:<w>, beats, gpus:<host_id>, queue:<queue> (hashes), waiters:<id> (set), changed, lost (zsets),
--   events (stream)
-- RETURNS {status} (also for the fence that ended it) | {'stale'}
-- @include base
-- @include order
-- @include limits
-- @include tasks
-- @include functions
-- @include attempts
local id, fence = ARGV[2], ARGV[3]
pass_when_full()
local task = read_state(id)
local word = check_fence(id, task, fence)
if word == 'stale' then return { 'stale' } end
if word == 'again' then return { task.status } end
if (ARGV[8] or '') ~= '' then call('HSET', task_key(id), ARGV[4] == 'completed' and 'result' or 'error', ARGV[8]) end
end_task(id, task, clock(ARGV[1]), ARGV[4], ARGV[5], ARGV[6], ARGV[7])
return { ARGV[4] }
