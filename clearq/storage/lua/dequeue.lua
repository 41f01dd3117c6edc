-- Take one waiting task out of its queue; it becomes a draft again.
-- KEYS[1] meta (hash)   ARGV: now, id
-- Touches t:<id> (hash), lanes and delayed (zsets), queue:<queue> (hash), changed (zset), waits:<queue>,
--   after:<parent> (sets), t:<parent> (hash),
--   unique:<key> (string), events (stream)
-- RETURNS {'dequeued', queue id} (also when it is a draft already) | {'missing'} | {'conflict', status}
-- @include base
-- @include order
-- @include limits
-- @include tasks
-- @include functions
local id = ARGV[2]
local task = read_state(id)
if not task then return { 'missing' } end
if task.status == 'created' then return { 'dequeued', task.queue or '' } end
if task.status ~= 'queued' then return { 'conflict', task.status } end
local now = clock(ARGV[1])
draft_again(id, task, now, '')
return { 'dequeued', task.queue }
