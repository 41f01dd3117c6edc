-- Places in a queue, over all its lanes. Scores are numbers here and text outside.

local function total(lanes)
  local count = 0
  for _, lane in ipairs(lanes) do count = count + call('ZCARD', lane) end
  return count
end

local function rank(lanes, score)
  local below = 0
  for _, lane in ipairs(lanes) do below = below + call('ZCOUNT', lane, '-inf', '(' .. score) end
  return below
end

local function score_of(lanes, id)
  for _, lane in ipairs(lanes) do
    local score = call('ZSCORE', lane, id)
    if score then return tonumber(score) end
  end
end

-- The nearest tasks beyond a score: {score, id, lane} each, nearest first.
local function neighbours(lanes, score, count, above)
  local found = {}
  local edge = '(' .. int(score)
  for _, lane in ipairs(lanes) do
    local flat
    if above then
      flat = call('ZRANGEBYSCORE', lane, edge, '+inf', 'WITHSCORES', 'LIMIT', 0, count)
    else
      flat = call('ZREVRANGEBYSCORE', lane, edge, '-inf', 'WITHSCORES', 'LIMIT', 0, count)
    end
    for i = 1, #flat, 2 do found[#found + 1] = { tonumber(flat[i + 1]), flat[i], lane } end
  end
  table.sort(found, function(a, b)
    if above then return a[1] < b[1] end
    return a[1] > b[1]
  end)
  while #found > count do table.remove(found) end
  return found
end

-- The task at an index over all lanes: id, score.
local function at_index(lanes, index)
  local low, high, single
  for _, lane in ipairs(lanes) do
    local first = call('ZRANGE', lane, 0, 0, 'WITHSCORES')
    if first[2] then
      local last = call('ZRANGE', lane, -1, -1, 'WITHSCORES')
      single = low == nil and lane or false
      low = math.min(low or tonumber(first[2]), tonumber(first[2]))
      high = math.max(high or tonumber(last[2]), tonumber(last[2]))
    end
  end
  if single then
    local entry = call('ZRANGE', single, index, index, 'WITHSCORES')
    return entry[1], tonumber(entry[2])
  end
  while low < high do
    local middle = low + math.floor((high - low) / 2)
    if rank(lanes, int(middle + 1)) >= index + 1 then high = middle else low = middle + 1 end
  end
  for _, lane in ipairs(lanes) do
    local entry = call('ZRANGEBYSCORE', lane, int(low), int(low))
    if entry[1] then return entry[1], low end
  end
end

local function front_score(lanes, queue)
  local lowest = 0
  for _, lane in ipairs(lanes) do
    local head = call('ZRANGE', lane, 0, 0, 'WITHSCORES')
    if head[2] then lowest = math.min(lowest, tonumber(head[2])) end
  end
  local front = math.min(tonumber(call('HGET', queue_key(queue), 'front') or '0'), lowest) - STEP
  call('HSET', queue_key(queue), 'front', int(front))
  return int(front)
end

-- Behind the last of a band. A fair queue has no next place, for later tasks of other keys may come before it.
local function band_end(lanes, queue, band, room)
  if call('HEXISTS', queue_key(queue), 'fair') == 0 then return band * BAND + next_place(queue) end
  local last = band * BAND
  for _, lane in ipairs(lanes) do
    local tail = call('ZREVRANGEBYSCORE', lane, '(' .. int((band + 1) * BAND), int(last), 'WITHSCORES', 'LIMIT', 0, 1)
    if tail[2] then last = math.max(last, tonumber(tail[2])) end
  end
  return math.min(last + STEP * (1 + (room or 0)), band * BAND + LAST_PLACE)
end

local function back_score(lanes, queue, priority)
  local band = 1000 - priority
  for _, lane in ipairs(lanes) do
    local tail = call('ZRANGE', lane, -1, -1, 'WITHSCORES')
    if tail[2] then band = math.max(band, band_of(tonumber(tail[2]))) end
  end
  return int(band_end(lanes, queue, band))
end

-- The free range next to a gap: from the task below (or the band's start) to the task above (or the band's next
-- place, so that later arrivals of that priority come behind; 0 in the front band).
local function edge_below(band, entry, gap, room)
  if entry and band_of(entry[1]) == band then return entry[1] end
  if band < 0 then return gap - STEP * (128 + (room or 0)) end
  return band * BAND
end

local function edge_above(lanes, band, entry, queue, room)
  if entry and band_of(entry[1]) == band then return entry[1] end
  if band < 0 then return 0 end
  return band_end(lanes, queue, band, room)
end

-- Spread the tasks around a gap evenly, in a window that doubles, never over the band's edge.
-- `gap` is the score just above which room is wanted.
local function spread(lanes, queue, band, gap)
  local width = 4
  while true do
    local below = neighbours(lanes, gap + 1, width + 1, false)
    local above = neighbours(lanes, gap, width + 1, true)
    local window = {}
    for i = math.min(#below, width), 1, -1 do
      if band_of(below[i][1]) == band then window[#window + 1] = below[i] end
    end
    for i = 1, math.min(#above, width) do
      if band_of(above[i][1]) == band then window[#window + 1] = above[i] end
    end
    -- Nothing lies below the front: there it takes as much room as the window needs.
    local low = edge_below(band, below[width + 1], gap, #window)
    local high = edge_above(lanes, band, above[width + 1], queue, #window)
    local step = math.floor((high - low) / (#window + 1))
    if step >= 4 then
      for i, entry in ipairs(window) do
        call('ZADD', entry[3], int(low + step * i), entry[2])
        for _, key in ipairs(limit_keys(call('HGET', task_key(entry[2]), 'limits'))) do
          call('ZADD', lane_on(queue, key), int(low + step * i), entry[2])
        end
      end
      return
    end
    width = width * 2
  end
end

local function score_before(lanes, queue, anchor)
  local band = band_of(anchor)
  local low = edge_below(band, neighbours(lanes, anchor, 1, false)[1], anchor)
  if anchor - low < 2 then
    local id = nil
    for _, lane in ipairs(lanes) do id = id or call('ZRANGEBYSCORE', lane, int(anchor), int(anchor))[1] end
    spread(lanes, queue, band, anchor - 1)
    anchor = score_of(lanes, id)
    low = edge_below(band, neighbours(lanes, anchor, 1, false)[1], anchor)
  end
  return int(low + math.floor((anchor - low) / 2))
end

local function score_after(lanes, queue, anchor)
  local band = band_of(anchor)
  local above = neighbours(lanes, anchor, 1, true)[1]
  if band >= 0 and not (above and band_of(above[1]) == band) then return int(band_end(lanes, queue, band)) end
  local high = edge_above(lanes, band, above, queue)
  if high - anchor < 2 then
    local id = nil
    for _, lane in ipairs(lanes) do id = id or call('ZRANGEBYSCORE', lane, int(anchor), int(anchor))[1] end
    spread(lanes, queue, band, anchor)
    anchor = score_of(lanes, id)
    high = edge_above(lanes, band, neighbours(lanes, anchor, 1, true)[1], queue)
  end
  return int(anchor + math.floor((high - anchor) / 2))
end
