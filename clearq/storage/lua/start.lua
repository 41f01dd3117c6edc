-- The supervisor takes over an attempt from its agent's keeping; user code runs only after this.
-- KEYS[1] meta (hash)   ARGV: now, id, fence, supervisor's holder id
-- Touches own:<agent>, own:<supervisor>, beats, t:<id> (hashes), changed (zset), events (stream)
-- RETURNS {'started', the task's hash as a flat list} (also for the same holder again) | {'stale'}
-- @include base
-- @include order
-- @include limits
-- @include tasks
-- @include functions
-- @include attempts
local id, fence, supervisor = ARGV[2], ARGV[3], ARGV[4]
local task = read_state(id)
local word, own = check_fence(id, task, fence)
if word ~= 'held' then return { 'stale' } end
if task.holder ~= supervisor then
  if task.stage ~= 'claimed' then return { 'stale' } end
  pass_when_full()
  local now = clock(ARGV[1])
  call('HDEL', P .. 'own:' .. task.holder, id)
  write_own(supervisor, id, fence, own.score, own.stop)
  call('HSET', P .. 'beats', supervisor, '1')
  call('HSET', task_key(id), 'holder', supervisor, 'stage', own.stop and 'stopping' or 'preparing', 'updated', now)
  touch(id, task, now)
  emit(now, 'task.started', id, task.queue, task.worker, 'in_progress')
end
return { 'started', call('HGETALL', task_key(id)) }
