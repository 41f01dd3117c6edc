-- What an agent decides by. The agent is parked as idle first, so that whatever comes later rings its bell.
-- KEYS[1] meta (hash)   ARGV: now, worker id, heads a queue, then queue ids in the agent's order
-- Touches idle:<lane> (zset) and what upkeep touches
-- RETURNS {'ok', now, gpus:<host_id> as a flat list, then for each queue: {id, its hash as a flat list, waiting,
--   {id, values of HEAD of each head}}} | {'gone'}
-- @include base
-- @include order
-- @include limits
-- @include tasks
-- @include functions
-- @include attempts
-- @include upkeep
local w = ARGV[2]
local now = clock(ARGV[1])
pass_when_full()
if call('HEXISTS', P .. 'beats', w) == 0 then return { 'gone' } end
local host = call('HGET', P .. 'worker:' .. w, 'host_id') or ''
for i = 4, #ARGV do call('ZADD', P .. 'idle:q:' .. ARGV[i], now, w) end
call('ZADD', P .. 'idle:host:' .. host, now, w)
upkeep(now)
local answer = { 'ok', now, call('HGETALL', P .. 'gpus:' .. host) }
for i = 4, #ARGV do
  local lane = P .. 'q:' .. ARGV[i]
  local heads = {}
  for _, id in ipairs(call('ZRANGE', lane, 0, tonumber(ARGV[3]) - 1)) do
    local head = call('HMGET', task_key(id), unpack(HEAD))
    table.insert(head, 1, id)
    heads[#heads + 1] = head
  end
  answer[#answer + 1] = { ARGV[i], call('HGETALL', queue_key(ARGV[i])), int(call('ZCARD', lane)), heads }
end
return answer
