-- What a running attempt is doing now.
-- KEYS[1] meta (hash)   ARGV: now, id, fence, stage
-- Touches t:<id> (hash), changed (zset), events (stream)
-- RETURNS {'ok'} | {'stale'}
-- @include base
-- @include order
-- @include limits
-- @include tasks
-- @include functions
-- @include attempts
local id, fence, stage = ARGV[2], ARGV[3], ARGV[4]
local task = read_state(id)
if check_fence(id, task, fence) ~= 'held' then return { 'stale' } end
pass_when_full()
if task.stage == stage or task.stage == 'stopping' then return { 'ok' } end
local now = clock(ARGV[1])
call('HSET', task_key(id), 'stage', stage, 'updated', now)
touch(id, task, now)
emit(now, 'task.' .. stage, id, task.queue, task.worker, 'in_progress')
return { 'ok' }
