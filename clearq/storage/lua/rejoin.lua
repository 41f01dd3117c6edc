-- A holder that was declared dead is back: its attempt goes on if nobody else has it.
-- KEYS[1] meta (hash)   ARGV: now, id, fence, holder id
-- Touches t:<id>, own:<w>, beats (hashes), lost, changed (zsets), events (stream)
-- RETURNS {'ok'} (also when it never was lost) | {'stale'}
-- @include base
-- @include order
-- @include limits
-- @include tasks
-- @include functions
-- @include attempts
local id, fence, holder = ARGV[2], ARGV[3], ARGV[4]
local task = read_state(id)
local word = check_fence(id, task, fence)
if word == 'held' and task.holder == holder then return { 'ok' } end
if word ~= 'lost' then return { 'stale' } end
pass_when_full()
local now = clock(ARGV[1])
call('ZREM', P .. 'lost', id)
call('HSET', P .. 'beats', holder, '1')
write_own(holder, id, fence, task.score or '-', task.stop)
call('HSET', task_key(id), 'holder', holder, 'stage', task.stop and 'stopping' or 'running')
call('HDEL', task_key(id), 'score')
set_status(id, task, now, 'in_progress', '', '')
emit(now, 'task.rejoined', id, task.queue, task.worker, 'in_progress')
return { 'ok' }
