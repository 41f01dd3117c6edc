-- An agent takes the very task it decided for, with the very GPUs.
-- KEYS[1] meta (hash)   ARGV: now, worker id, nonce, task id, task's rev, queue id ('' takes a draft, no queue),
--   queue's rev, host id, boot id, then GPU UUIDs
-- Touches q:<queue> (zset), t:<id>, own:<w>, gpus:<host_id>, queue:<queue> (hashes), changed, dead (zsets),
--   unique:<key> (string), events (stream)
-- RETURNS {'claimed', fence, the task's hash as a flat list} (also for the same nonce again)
--   | {'dead'} | {'gone'} | {'stale'} | {'paused'} | {'gpu_held', uuid}
-- @include base
-- @include order
-- @include limits
-- @include tasks
-- @include functions
-- @include attempts
-- @include claim
local w, nonce, id, queue, host = ARGV[2], ARGV[3], ARGV[4], ARGV[6], ARGV[8]
if call('HEXISTS', P .. 'beats', w) == 0 then return { 'dead' } end
local task = read_state(id)
if not task then return { 'gone' } end
if task.status == 'in_progress' and task.holder == w and task.fence == (task.claims or '0') .. '.' .. nonce then
  return { 'claimed', task.fence, call('HGETALL', task_key(id)) }
end
local score = '-'
if queue ~= '' then
  score = task.status == 'queued' and task.queue == queue
    and call('ZSCORE', P .. lane_of(queue, task.fn, task.app), id) or nil
  if not score then return { 'gone' } end
  if (task.rev or '0') ~= ARGV[5] then return { 'stale' } end
  local rev, paused = unpack(call('HMGET', queue_key(queue), 'rev', 'paused'))
  if paused then return { 'paused' } end
  if (rev or '0') ~= ARGV[7] then return { 'stale' } end
elseif task.status == 'queued' or task.status == 'in_progress' or not may_follow(task.status, 'in_progress')
  and not may_follow(task.status, 'queued') then
  return { 'gone' }
end
for i = 10, #ARGV do
  if call('HEXISTS', P .. 'gpus:' .. host, ARGV[i]) == 1 then return { 'gpu_held', ARGV[i] } end
end
pass_when_full()
local now = clock(ARGV[1])
if queue ~= '' then
  call('ZREM', P .. lane_of(queue, task.fn, task.app), id)
else
  -- A new round, as enqueue begins one.
  call('HDEL', task_key(id), 'queue', 'enqueued', 'failures', 'losses', 'manual', 'process')
  call('ZREM', P .. 'dead', id)
  task.queue = nil
end
local fence = begin_attempt(now, id, task, w, nonce, score)
if task['unique.mode'] == 'start' then free_unique(id, task.unique) end
call('HSET', task_key(id), 'host_id', host, 'boot_id', ARGV[9])
if #ARGV >= 10 then
  call('HSET', task_key(id), 'gpus_held', table.concat(ARGV, ' ', 10))
  for i = 10, #ARGV do call('HSET', P .. 'gpus:' .. host, ARGV[i], id .. ' ' .. fence) end
end
return { 'claimed', fence, call('HGETALL', task_key(id)) }
