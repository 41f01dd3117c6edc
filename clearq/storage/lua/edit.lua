-- Change a task's description. Drafts and waiting tasks may be edited; a running one only by its own attempt.
-- KEYS[1] meta (hash)   ARGV: now, id, expected rev, fence ('' none), force ('1' or ''), count of fields to
--   delete, those fields, then field and value pairs to set
-- Touches t:<id> (hash), changed (zset), events (stream)
-- RETURNS {'edited', rev} | {'missing'} | {'moved', rev} | {'conflict', status} | {'stale'}
-- @include base
-- @include order
-- @include limits
-- @include tasks
-- @include functions
-- @include attempts
local id, expected, fence, force = ARGV[2], ARGV[3], ARGV[4], ARGV[5] == '1'
local task = read_state(id)
if not task then return { 'missing' } end
if (task.rev or '0') ~= expected then return { 'moved', task.rev or '0' } end
if fence ~= '' then
  local word = check_fence(id, task, fence)
  if word ~= 'held' and word ~= 'lost' then return { 'stale' } end
elseif not force and task.status ~= 'created' and task.status ~= 'queued' then
  return { 'conflict', task.status }
end
local now = clock(ARGV[1])
local deletions = tonumber(ARGV[6])
for i = 7, 6 + deletions do call('HDEL', task_key(id), ARGV[i]) end
for i = 7 + deletions, #ARGV, 2 do call('HSET', task_key(id), ARGV[i], ARGV[i + 1]) end
local rev = call('HINCRBY', task_key(id), 'rev', 1)
call('HSET', task_key(id), 'updated', now)
touch(id, task, now)
emit(now, 'task.edited', id, task.queue, '', task.status)
if task.status == 'queued' then ring_work(lane_of(task.queue, task.fn, task.app)) end
return { 'edited', int(rev) }
