-- Write a draft.
-- KEYS[1] meta (hash)   ARGV: now, id, request, then field and value of the task
-- Touches t:<id> (hash), changed (zset), events (stream)
-- RETURNS {'created'} (also for the same request again) | {'exists', status}
-- @include base
-- @include order
-- @include limits
-- @include tasks
local id, request = ARGV[2], ARGV[3]
local task = read_state(id)
if task then
  if task.request == request then return { 'created' } end
  return { 'exists', task.status }
end
local now = clock(ARGV[1])
call('HSET', task_key(id), 'request', request, 'created', now)
set_fields(task_key(id), ARGV, 4)
set_status(id, {}, now, 'created', '', '')
emit(now, 'task.created', id, '', '', 'created')
return { 'created' }
