-- The order of a queue: one place counter for all its lanes; each priority is a band of scores, scores below 0
-- are the front.
local BAND = 4398046511104 -- 2^42
local STEP = 16
local FAR_UP = BAND / 2

local function band_of(score)
  if score < 0 then return -1 end
  return math.floor(score / BAND)
end

-- The lane of a task within its queue: scripts and containers, functions, functions of a named app.
local function lane_of(queue, fn, app)
  if not fn then return 'q:' .. queue end
  if app then return 'fn.' .. app .. ':' .. queue end
  return 'fn:' .. queue
end

local function lanes_of(queue)
  local lanes = { P .. 'q:' .. queue, P .. 'fn:' .. queue }
  local apps = call('HGET', queue_key(queue), 'apps')
  if apps then
    for app in string.gmatch(apps, '%S+') do lanes[#lanes + 1] = P .. 'fn.' .. app .. ':' .. queue end
  end
  return lanes
end

-- The first of the next `count` places at the tail, STEP apart. The counter begins anew when it is far up and nothing
-- of the queue has a score that it could meet again: no task waits, is delayed or runs.
local function next_places(queue, count)
  local last = call('HINCRBY', queue_key(queue), 'place', int(STEP * count))
  local first = last - STEP * (count - 1)
  if last < FAR_UP then return first end
  local counts = call('HMGET', queue_key(queue), 'delayed', 'running')
  if tonumber(counts[1] or '0') + tonumber(counts[2] or '0') > 0 then return first end
  for _, lane in ipairs(lanes_of(queue)) do
    if call('EXISTS', lane) == 1 then return first end
  end
  call('HSET', queue_key(queue), 'place', int(STEP * count), 'front', '0')
  return STEP
end

local function next_place(queue)
  return next_places(queue, 1)
end

local function tail_score(queue, priority)
  return int((1000 - priority) * BAND + next_place(queue))
end
