-- Make a queue fair or ordinary, while nothing waits in it; set weights of a fair one, which hold for tasks to come.
-- KEYS[1] meta (hash)   ARGV: now, queue name or id, '1' fair, '0' ordinary, '' as it is, then keys and their weights
--   ('' or 1 is the usual)
-- Touches queue:<queue>, fair:<queue> (hashes), events (stream)
-- RETURNS {'set', queue id} (also when it is so) | {'no_queue'} | {'not_empty', queue id, waiting} | {'not_fair', queue id}
-- @include base
-- @include order
-- @include queues
-- @include limits
-- @include fair
local queue, wanted = find_queue(ARGV[2]), ARGV[3]
if not queue then return { 'no_queue' } end
local key = fair_key(queue)
local base, place, held = unpack(call('HMGET', queue_key(queue), 'fair', 'place', 'held'))
local turns = wanted == '1' and not base or wanted == '0' and base
if turns then
  local waiting = tonumber(held or '0')
  for _, lane in ipairs(lanes_of(queue)) do waiting = waiting + call('ZCARD', lane) end
  if waiting > 0 then return { 'not_empty', queue, int(waiting) } end
end
if #ARGV > 3 and not (wanted == '1' or wanted == '' and base) then return { 'not_fair', queue } end
local changed = turns
if turns and wanted == '1' then
  -- What runs or is delayed has a score already: it comes first when it comes back.
  call('HSET', queue_key(queue), 'fair', place or '0')
elseif turns then
  local last = tonumber(place or '0')
  local flat = call('HGETALL', key)
  for i = 1, #flat, 2 do
    if string.sub(flat[i], 1, 2) == 'v:' then last = math.max(last, tonumber(string.match(flat[i + 1], '^%d+'))) end
  end
  call('HSET', queue_key(queue), 'place', int(math.min(last, BAND - 1)))
  call('HDEL', queue_key(queue), 'fair')
  call('DEL', key)
end
for i = 4, #ARGV, 2 do
  local weight = ARGV[i + 1]
  if weight == '' or weight == '1' then
    changed = call('HDEL', key, 'w:' .. ARGV[i]) == 1 or changed
  else
    changed = call('HSET', key, 'w:' .. ARGV[i], weight) == 1 or changed
  end
end
if not changed then return { 'set', queue } end
local now = clock(ARGV[1])
call('HINCRBY', queue_key(queue), 'rev', 1)
emit(now, 'queue.updated', '', queue)
return { 'set', queue }
