-- One heartbeat for all that a holder answers for. Carries a little upkeep.
-- KEYS[1] meta (hash)   ARGV: now, holder, metrics (JSON, '' none), state ('' none), then id and fence of each attempt
-- Touches beats, own:<w>, worker:<w> (hashes), workers (zset) and what upkeep touches
-- RETURNS {'ok', '1' if a lane of the worker has work else '0', how many tasks were given to it so far, count of ids
--   to stop, those ids, ids no longer held} | {'gone'}
-- @include base
-- @include order
-- @include limits
-- @include tasks
-- @include functions
-- @include attempts
-- @include upkeep
local holder = ARGV[2]
pass_when_full()
local now = clock(ARGV[1])
if call('HEXISTS', P .. 'beats', holder) == 0 then return { 'gone' } end
call('HINCRBY', P .. 'beats', holder, 1)
local work, given = '0', '0'
if call('ZSCORE', P .. 'workers', holder) then
  call('ZADD', P .. 'workers', now, holder)
  if ARGV[3] ~= '' then call('HSET', P .. 'worker:' .. holder, 'metrics', ARGV[3]) end
  if ARGV[4] ~= '' then call('HSET', P .. 'worker:' .. holder, 'state', ARGV[4]) end
  local lanes, sent = unpack(call('HMGET', P .. 'worker:' .. holder, 'lanes', 'given'))
  given = sent or given
  for lane in string.gmatch(lanes or '', '%S+') do
    local queue = string.match(lane, ':(.*)$')
    if call('ZCARD', P .. lane) > 0 and call('HEXISTS', queue_key(queue), 'paused') == 0 then work = '1' end
  end
end
local stop, lost = {}, {}
for i = 5, #ARGV, 2 do
  local own = read_own(holder, ARGV[i])
  if not own or own.fence ~= ARGV[i + 1] then
    lost[#lost + 1] = ARGV[i]
  elseif own.stop then
    stop[#stop + 1] = ARGV[i]
  end
end
upkeep(now)
local answer = { 'ok', work, given, int(#stop) }
for _, id in ipairs(stop) do answer[#answer + 1] = id end
for _, id in ipairs(lost) do answer[#answer + 1] = id end
return answer
