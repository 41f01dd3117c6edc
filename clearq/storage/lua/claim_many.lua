-- A worker takes the next tasks of several queues in the asked order, in one step.
-- KEYS[1] meta (hash)   ARGV: now, worker id, nonce, count, this claim's number, lanes of each queue as
--   `kind kind ...` (q, fn, fn.<app>), then queue id and turn of each queue: up to `turn` tasks are taken from it
--   before the next queue has its turn. Strict order: turn = count. Rotation: turn = 1. Weights: turn = weight.
-- Touches lanes, idle:<lane>, changed (zsets), t:<id>, own:<w>, queue:<queue>, worker:<w> (hashes), events (stream)
-- RETURNS {'claimed', {id, fence, hash as a flat list}...} | {'empty'} | {'dead'} | {'late'}
--   A nonce seen before answers what it claimed; a claim number passed over by a repeat is refused (`late`).
-- @include base
-- @include order
-- @include limits
-- @include tasks
-- @include functions
-- @include attempts
-- @include upkeep
-- @include claim
local w, nonce, count = ARGV[2], ARGV[3], tonumber(ARGV[4])
if call('HEXISTS', P .. 'beats', w) == 0 then return { 'dead' } end
pass_when_full()
local now = clock(ARGV[1])
local answer = { 'claimed' }
local worker = P .. 'worker:' .. w
local last, last_nonce = unpack(call('HMGET', worker, 'claim', 'claim_nonce'))
if last_nonce == nonce then
  call('HSET', worker, 'claim', ARGV[5])
  for _, id in ipairs(call('HKEYS', P .. 'own:' .. w)) do
    local own = read_own(w, id)
    if string.sub(own.fence, -#nonce - 1) == '.' .. nonce then
      answer[#answer + 1] = { id, own.fence, call('HGETALL', task_key(id)) }
    end
  end
  return answer
end
if tonumber(ARGV[5]) <= tonumber(last or '0') then return { 'late' } end
call('HSET', worker, 'claim', ARGV[5], 'claim_nonce', nonce)
upkeep(now)

local kinds = {}
for kind in string.gmatch(ARGV[6], '%S+') do kinds[#kinds + 1] = kind end

local function lowest(queue)
  local best, best_id, best_lane
  for _, kind in ipairs(kinds) do
    local lane = P .. kind .. ':' .. queue
    local head = call('ZRANGE', lane, 0, 0, 'WITHSCORES')
    if head[1] and (not best or tonumber(head[2]) < tonumber(best)) then
      best, best_id, best_lane = head[2], head[1], lane
    end
  end
  return best_id, best, best_lane
end

local open = {}
for i = 7, #ARGV, 2 do
  if call('HEXISTS', queue_key(ARGV[i]), 'paused') == 0 then open[#open + 1] = { ARGV[i], tonumber(ARGV[i + 1]) } end
end
while #open > 0 and #answer <= count do
  local still = {}
  for _, entry in ipairs(open) do
    local taken = 0
    while taken < entry[2] and #answer <= count do
      local id, score, lane = lowest(entry[1])
      if not id then break end
      call('ZREM', lane, id)
      local task = read_state(id)
      if task then
        local fence = begin_attempt(now, id, task, w, nonce, score)
        answer[#answer + 1] = { id, fence, call('HGETALL', task_key(id)) }
        taken = taken + 1
      end
    end
    if taken == entry[2] then still[#still + 1] = entry end
  end
  open = still
end

local full = #answer > count
for i = 7, #ARGV, 2 do
  for _, kind in ipairs(kinds) do
    local lane = kind .. ':' .. ARGV[i]
    if full then
      call('ZREM', P .. 'idle:' .. lane, w)
      -- Work is left behind: hand the bell on.
      if call('ZCARD', P .. lane) > 0 and call('HEXISTS', queue_key(ARGV[i]), 'paused') == 0 then ring_lane(lane, 1) end
    else
      call('ZADD', P .. 'idle:' .. lane, now, w)
    end
  end
end
if #answer == 1 then return { 'empty' } end
return answer
