-- Wait for a task's end without a race: its status if it has ended, else the caller is among its waiters.
-- KEYS[1] meta (hash)   ARGV: id, client ('' only asks)
-- Touches waiters:<id> (set)
-- RETURNS {'ended', status} | {'waiting', status} | {'missing'}
-- @include base
-- @include order
-- @include limits
-- @include tasks
local id, client = ARGV[1], ARGV[2]
local task = read_state(id)
if not task then return { 'missing' } end
if task.status ~= 'queued' and task.status ~= 'in_progress' and task.status ~= 'created' then
  return { 'ended', task.status }
end
if client ~= '' then
  pass_when_full()
  call('SADD', P .. 'waiters:' .. id, client)
  call('PEXPIRE', P .. 'waiters:' .. id, 86400000)
  if task.fn then call('HSET', task_key(id), 'waited', '1', 'x', '1') end
end
return { 'waiting', task.status }
