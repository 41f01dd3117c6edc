-- Back to a draft: outputs, counts and times are forgotten, the description stays.
-- KEYS[1] meta (hash)   ARGV: now, id, force ('1': also a published task, or out of a queue)
-- Touches t:<id> (hash), log:<id>, scalar:<id>:<metric> (streams), scalars:<id>, artifacts:<id>, chunks:<id>,
--   chunk:<id>:<blob> (hashes), lanes and delayed (zsets), changed (zset), events (stream)
-- RETURNS {'reset'} | {'missing'} | {'conflict', status} | {'no_args', status} (a completed function)
-- @include base
-- @include order
-- @include limits
-- @include tasks
-- @include blobs
-- @include outputs
local id, force = ARGV[2], ARGV[3] == '1'
local task = read_state(id)
if not task then return { 'missing' } end
if task.status == 'in_progress' then return { 'conflict', task.status } end
if not force and (task.status == 'queued' or not may_follow(task.status, 'created')) then
  return { 'conflict', task.status }
end
if gave_up_args(id, task) then return { 'no_args', task.status } end
local now = clock(ARGV[1])
if task.status == 'queued' then take_from_queue(id, task) end
forget_outputs(id)
call('HDEL', task_key(id), unpack(RUN_FIELDS))
call('ZREM', P .. 'dead', id)
call('HINCRBY', task_key(id), 'rev', 1)
set_status(id, task, now, 'created', '', '')
emit(now, 'task.reset', id, task.queue, '', 'created')
return { 'reset' }
