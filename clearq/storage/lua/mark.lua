-- Set the status of a task that no agent holds, by the table of legal changes.
-- KEYS[1] meta (hash)   ARGV: now, id, status, reason, message, force ('1' skips the table)
-- Touches t:<id> (hash), own:<holder>, beats (hashes), changed (zset), waiters:<id> (set), events (stream)
-- RETURNS {'marked', status} | {'missing'} | {'conflict', status} | {'held', worker}
-- @include base
-- @include order
-- @include limits
-- @include tasks
-- @include functions
-- @include attempts
local id, status, reason, message, force = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6] == '1'
local task = read_state(id)
if not task then return { 'missing' } end
if task.status == status then return { 'marked', status } end
-- Into a queue leads only enqueue: a `queued` task that no lane holds would wait for ever.
if status == 'queued' or task.status == 'queued' and status ~= 'stopped' then return { 'conflict', task.status } end
if task.status == 'in_progress' and not task.manual then return { 'held', task.worker or '' } end
if not force and not may_follow(task.status, status) then return { 'conflict', task.status } end
pass_when_full()
local now = clock(ARGV[1])
if task.status == 'queued' then take_from_queue(id, task) end
if task.status == 'in_progress' then
  end_task(id, task, now, status, reason, message)
  return { 'marked', status }
end
if status == 'in_progress' then call('HSET', task_key(id), 'manual', '1') end
set_status(id, task, now, status, reason, message)
if status ~= 'in_progress' then wake_waiters(id) end
emit(now, 'task.' .. status, id, task.queue, '', status, reason)
return { 'marked', status }
