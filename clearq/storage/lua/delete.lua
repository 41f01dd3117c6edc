-- Delete a task and all that Redis holds of it. Its files in the artifact store are the caller's to delete.
-- KEYS[1] meta (hash)   ARGV: now, id, force ('1': also a waiting or published one; a running one never;
--   'kept': only one that has ended and was to be kept until now),
--   request ('' none)
-- Touches t:<id>, scalars:<id>, artifacts:<id>, chunks:<id>, chunk:<id>:<blob> (hashes), log:<id>,
--   scalar:<id>:<metric> (streams), lanes, delayed, changed, dead, kept (zsets), waiters:<id>, after:<id>, waits:<queue> (sets),
--   unique:<key>, done:<request> (strings), t:<dependant> (hash), events (stream)
-- RETURNS {'deleted'} (also for the same request again) | {'missing'} | {'conflict', status}
--   | {'stays'} (it runs again, is a draft again, was published, or is kept longer)
-- @include base
-- @include order
-- @include limits
-- @include tasks
-- @include functions
-- @include blobs
-- @include outputs
local id, force = ARGV[2], ARGV[3] == '1'
if done_before(ARGV[4]) then return { 'deleted' } end
local task = read_state(id)
if ARGV[3] == 'kept' then
  local until_when = call('ZSCORE', P .. 'kept', id)
  if not until_when or tonumber(until_when) > tonumber(clock(ARGV[1])) then return { 'stays' } end
  call('ZREM', P .. 'kept', id)
  local status = task and task.status
  if status ~= 'completed' and status ~= 'stopped' and status ~= 'failed' then return { 'stays' } end
end
if not task then return { 'missing' } end
if task.status == 'in_progress' then return { 'conflict', task.status } end
if not force and (task.status == 'queued' or task.status == 'published') then return { 'conflict', task.status } end
local now = clock(ARGV[1])
if task.status == 'queued' then take_from_queue(id, task) end
forget_outputs(id)
forget_blobs(id, '')
wake_waiters(id)
free_unique(id, task.unique, task['unique.mode'])
call('UNLINK', task_key(id))
if task.parent_of then release_dependants(id, 'deleted', now) end
call('ZREM', P .. 'changed', id)
call('ZREM', P .. 'dead', id)
call('ZREM', P .. 'kept', id)
emit(now, 'task.deleted', id, task.queue, '', task.status)
note_done(ARGV[4], id)
return { 'deleted' }
