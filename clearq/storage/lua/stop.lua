-- Ask a task to end. A waiting one stops at once; a running one is marked and its holder's bell rung.
-- KEYS[1] meta (hash)   ARGV: now, id, reason
-- Touches t:<id> (hash), lanes and delayed (zsets), own:<holder> (hash), bell:<holder> (list), events (stream)
-- RETURNS {'stopped'} | {'stopping'} | {'missing'} | {'conflict', status}
-- @include base
-- @include order
-- @include limits
-- @include tasks
-- @include functions
-- @include attempts
local id, reason = ARGV[2], ARGV[3]
local task = read_state(id)
if not task then return { 'missing' } end
if task.status == 'stopped' then return { 'stopped' } end
pass_when_full()
local now = clock(ARGV[1])
if task.status == 'queued' then
  take_from_queue(id, task)
  set_status(id, task, now, 'stopped', reason, '')
  call('HSET', task_key(id), 'ended', now)
  wake_waiters(id)
  settle(id, task, now, 'stopped')
  emit(now, 'task.stopped', id, task.queue, '', 'stopped', reason)
  return { 'stopped' }
end
if task.status ~= 'in_progress' then return { 'conflict', task.status } end
local asked = reason ~= '' and reason or '1'
if task.stage == 'lost' then
  call('HSET', task_key(id), 'stop', asked, 'status_message', 'stopping', 'updated', now)
  return { 'stopping' }
end
local own = task.holder and read_own(task.holder, id)
if own and own.stop then
  ring(task.holder)
  return { 'stopping' }
end
if own then
  write_own(task.holder, id, own.fence, own.score, true)
  ring(task.holder)
end
call('HSET', task_key(id), 'stop', asked, 'status_message', 'stopping', 'status_reason', reason, 'updated', now)
if task.stage == 'running' or task.stage == 'preparing' then call('HSET', task_key(id), 'stage', 'stopping') end
touch(id, task, now)
emit(now, 'task.stopping', id, task.queue, task.worker, 'in_progress', reason)
return { 'stopping' }
