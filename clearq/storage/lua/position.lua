-- Where a waiting task stands.
-- KEYS[1] meta (hash)   ARGV: id
-- Reads t:<id>, queue:<queue> (hashes), lanes (zsets); writes nothing
-- RETURNS {'waiting', queue id, index from the head} | {'delayed', queue id, due in ms} | {'no', status} | {'missing'}
-- @include base
-- @include order
-- @include limits
-- @include tasks
-- @include move
local task = read_state(ARGV[1])
if not task then return { 'missing' } end
if task.status ~= 'queued' then return { 'no', task.status } end
local score = call('ZSCORE', P .. lane_of(task.queue, task.fn, task.app), ARGV[1])
if not score then return { 'delayed', task.queue, task.due or '' } end
return { 'waiting', task.queue, int(rank(lanes_of(task.queue), score)) }
