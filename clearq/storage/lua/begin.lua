-- A run by hand begins: the task is made, or an ended or draft one used again, and is its own holder.
-- KEYS[1] meta (hash)   ARGV: now, id, holder id, nonce, label, host id, boot id, then field and value of the task
-- Touches t:<id>, own:<holder>, beats (hashes), log:<id>, scalar:<id>:<metric> (streams), scalars:<id>,
--   artifacts:<id> (hashes), changed, dead (zsets), events (stream)
-- RETURNS {'begun', fence} (also for the same nonce again) | {'conflict', status}
-- @include base
-- @include order
-- @include limits
-- @include tasks
-- @include functions
-- @include attempts
-- @include blobs
-- @include outputs
local id, holder, nonce = ARGV[2], ARGV[3], ARGV[4]
local task = read_state(id)
if task and task.fence == (task.claims or '0') .. '.' .. nonce then return { 'begun', task.fence } end
if task and (task.status == 'queued' or task.status == 'in_progress' or task.status == 'published') then
  return { 'conflict', task.status }
end
local now = clock(ARGV[1])
local claims, created = 1, now
if task then
  forget_outputs(id)
  claims = tonumber(task.claims or '0') + 1
  created = call('HGET', task_key(id), 'created') or now
  call('DEL', task_key(id))
  call('ZREM', P .. 'dead', id)
end
local fence = int(claims) .. '.' .. nonce
call('HSET', task_key(id), 'created', created, 'claims', int(claims), 'fence', fence, 'holder', holder, 'worker', ARGV[5],
  'host_id', ARGV[6], 'boot_id', ARGV[7], 'stage', 'running', 'started', now, 'manual', '1')
set_fields(task_key(id), ARGV, 8)
call('HSET', P .. 'beats', holder, '1')
write_own(holder, id, fence, '-')
set_status(id, {}, now, 'in_progress', '', '')
emit(now, 'task.started', id, '', ARGV[5], 'in_progress')
return { 'begun', fence }
