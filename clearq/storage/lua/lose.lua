-- Proof that an attempt's supervisor is dead and its tree is gone: the task runs again, within its own budget.
-- KEYS[1] meta (hash)   ARGV: now, id, fence, proof
-- Touches t:<id>, own:<w>, beats, gpus:<host_id>, queue:<queue> (hashes), lanes, lost, dead, changed (zsets), events
-- RETURNS {'queued'} | {'failed'} | {'stopped'} (each also for the fence that ended it) | {'stale'}
-- @include base
-- @include order
-- @include limits
-- @include tasks
-- @include functions
-- @include attempts
local id, fence, proof = ARGV[2], ARGV[3], ARGV[4]
pass_when_full()
local task = read_state(id)
local word = check_fence(id, task, fence)
if word == 'again' then return { task.status } end
-- A holder that is marked dead but not yet reclaimed counts as proven dead, too.
if word == 'stale' and not (task and task.fence == fence and task.status == 'in_progress') then return { 'stale' } end
return { lose(id, task, clock(ARGV[1]), proof) }
