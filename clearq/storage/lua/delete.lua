-- Delete a task and all that Redis holds of it. Its files in the artifact store are the caller's to delete.
-- KEYS[1] meta (hash)   ARGV: now, id, force ('1': also a waiting or published one; a running one never),
--   request ('' none)
-- Touches t:<id>, scalars:<id>, artifacts:<id>, chunks:<id>, chunk:<id>:<blob> (hashes), log:<id>,
--   scalar:<id>:<metric> (streams), lanes, delayed, changed, dead (zsets), waiters:<id>, after:<id>, waits:<queue> (sets),
--   unique:<key>, done:<request> (strings), t:<dependant> (hash), events (stream)
-- RETURNS {'deleted'} (also for the same request again) | {'missing'} | {'conflict', status}
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
emit(now, 'task.deleted', id, task.queue, '', task.status)
note_done(ARGV[4], id)
return { 'deleted' }
