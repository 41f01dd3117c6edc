-- Wait for functions without a race: what has ended is answered, of the rest the caller is a waiter.
-- KEYS[1] meta (hash)   ARGV: client ('' only asks), then ids
-- Touches waiters:<id> (set), t:<id> (hash)
-- RETURNS for each id: {status, result, error, status_reason} ('' where there is none); status '' for an unknown task
-- @include base
-- @include order
-- @include limits
-- @include tasks
local client = ARGV[1]
pass_when_full()
local answer = {}
for i = 2, #ARGV do
  local key = task_key(ARGV[i])
  local values = call('HMGET', key, 'fn', 'name', 'status', 'result', 'error', 'status_reason')
  local status = values[3] or (values[1] and 'queued') or ''
  answer[#answer + 1] = { status, values[4] or '', values[5] or '', values[6] or '' }
  if client ~= '' and (status == 'queued' or status == 'in_progress' or status == 'created') then
    call('SADD', P .. 'waiters:' .. ARGV[i], client)
    call('PEXPIRE', P .. 'waiters:' .. ARGV[i], 86400000)
    if values[1] then call('HSET', key, 'waited', '1', 'x', '1') end
  end
end
return answer
