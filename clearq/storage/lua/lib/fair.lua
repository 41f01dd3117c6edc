-- Fair queues: keys take turns, however many tasks each has waiting (self-clocked fair queueing). A task's place is
-- where its key's next turn ends: the place of the key's last waiting task, or the queue's virtual time when that is
-- later, plus TURN / weight. Virtual time is the furthest place that was claimed. Each lane and priority has its own,
-- for each is served at a pace of its own. All the rest (moves, limits, a clear) sees scores like any others.
--
-- fair:<queue> has `k:<key>` = how many of its tasks are in lanes or held, then `<lane>/<priority>=<last place>` each;
-- `v:<lane>/<priority>` = virtual time, and how many keys have joined since it moved: they are served in that order;
-- `w:<key>` = weight. `fair` in the queue's hash says that it is fair, and its value is where virtual time began.
local TURN = 16384
local LAST_PLACE = BAND - 1 -- a queue that was never empty for 2^28 turns of one key goes on there by task ids

local function fair_key(queue) return P .. 'fair:' .. queue end

-- What a script has read of a fair queue; `save_fair` writes what has changed.
local function open_fair(queue, base)
  return { queue = queue, base = tonumber(base), keys = {}, times = {}, new = true }
end

-- The same, or nil for a queue that is not fair.
local function find_fair(queue)
  local base = call('HGET', queue_key(queue), 'fair')
  return base and open_fair(queue, base)
end

local function fair_class(task, band)
  return (task.fn and (task.app and 'fn.' .. task.app or 'fn') or 'q') .. '/' .. int(1000 - band)
end

local function fair_entry(book, key)
  local entry = book.keys[key]
  if entry then return entry end
  local known, weight = unpack(call('HMGET', fair_key(book.queue), 'k:' .. key, 'w:' .. key))
  entry = { waiting = 0, last = {}, turn = math.floor(TURN / tonumber(weight or '1')) }
  if known then
    entry.waiting = tonumber(string.match(known, '^%d+'))
    for class, place in string.gmatch(known, '(%S+)=(%d+)') do entry.last[class] = tonumber(place) end
  end
  book.keys[key] = entry
  return entry
end

local function fair_time(book, class)
  local time = book.times[class]
  if time then return time end
  local at, joined = string.match(call('HGET', fair_key(book.queue), 'v:' .. class) or '', '^(%d+) (%d+)$')
  time = { at = tonumber(at or book.base), joined = tonumber(joined or '0') }
  book.times[class] = time
  return time
end

local function save_fair(book)
  local set, gone = {}, {}
  for key, entry in pairs(book.keys) do
    local words = { int(entry.waiting) }
    for class, place in pairs(entry.last) do words[#words + 1] = class .. '=' .. int(place) end
    if entry.waiting > 0 or #words > 1 then
      set[#set + 1] = 'k:' .. key
      set[#set + 1] = table.concat(words, ' ')
    else
      gone[#gone + 1] = 'k:' .. key
    end
  end
  for class, time in pairs(book.times) do
    if time.changed then
      set[#set + 1] = 'v:' .. class
      set[#set + 1] = int(time.at) .. ' ' .. int(time.joined)
    end
  end
  for i = 1, #gone, 1000 do call('HDEL', fair_key(book.queue), unpack(gone, i, math.min(i + 999, #gone))) end
  set_fields(fair_key(book.queue), set, 1)
end

-- Virtual time begins anew when it is far up and nothing of the queue has a place that it could meet again.
local function restart_fair(book)
  local queue = book.queue
  local counts = call('HMGET', queue_key(queue), 'delayed', 'running', 'held')
  for i = 1, 3 do
    if tonumber(counts[i] or '0') > 0 then return end
  end
  for _, lane in ipairs(lanes_of(queue)) do
    if call('EXISTS', lane) == 1 then return end
  end
  for _, field in ipairs(call('HKEYS', fair_key(queue))) do
    if string.sub(field, 1, 2) ~= 'w:' then call('HDEL', fair_key(queue), field) end
  end
  call('HSET', queue_key(queue), 'fair', '0', 'place', '0', 'front', '0')
  book.base, book.keys, book.times = 0, {}, {}
end

-- The score of a task that comes to its queue. Its key stands in its hash from now on, also when it gave none.
local function fair_score(book, id, task)
  local band = 1000 - (tonumber(task.priority or '0') or 0)
  local class = fair_class(task, band)
  if book.new and fair_time(book, class).at > FAR_UP then restart_fair(book) end
  book.new = false
  if not task.fair then
    task.fair = ''
    call('HSET', task_key(id), 'fair', '', unpack(task.fn and { 'x', '1' } or {}))
  end
  local entry, time = fair_entry(book, task.fair), fair_time(book, class)
  local start = entry.last[class]
  if not start or start <= time.at then
    time.joined, time.changed = math.min(time.joined + 1, TURN - 1), true
    start = time.at + time.joined
  end
  local place = math.min(start + entry.turn, LAST_PLACE)
  entry.waiting = entry.waiting + 1
  entry.last[class] = place
  return int(band * BAND + place)
end

-- The score at which a task comes into its lane or is held: the one it had, or a new one.
local function score_in(id, task, queue, score)
  local book = find_fair(queue)
  if not book then return score or tail_score(queue, tonumber(task.priority or '0')) end
  if score and task.fair then
    -- Handed back or retried: its turn was its own.
    local entry = fair_entry(book, task.fair)
    entry.waiting = entry.waiting + 1
  else
    local fresh = fair_score(book, id, task)
    score = score or fresh
  end
  save_fair(book)
  return score
end

-- A key with nothing waiting is forgotten, but for a turn that it took ahead of virtual time.
local function fair_gone(book, key, class, place)
  local entry = fair_entry(book, key)
  entry.waiting = entry.waiting - 1
  if entry.waiting <= 0 then
    entry.waiting = 0
    entry.last = class and { [class] = place } or {}
  end
end

-- It leaves its queue without a run: a key starts at virtual time again when all of its tasks did.
local function fair_dropped(task, queue)
  local book = find_fair(queue)
  if not book then return end
  fair_gone(book, task.fair)
  save_fair(book)
end

-- It is claimed. `task` has fair, fn and app; `head` is the lowest place left in its class if it may have been ahead.
local function fair_claimed(book, task, score, head)
  score = tonumber(score)
  if not score or score < 0 then return fair_gone(book, task.fair) end
  local band = band_of(score)
  local class, place = fair_class(task, band), score - band * BAND
  local time = fair_time(book, class)
  local reached = math.min(place, head or place)
  if reached > time.at then time.at, time.joined, time.changed = reached, 0, true end
  if place > time.at then return fair_gone(book, task.fair, class, place) end
  fair_gone(book, task.fair)
end

-- Some keys that took turns ahead of virtual time, until it has come there: a claim looks at a few.
local function sweep_fair(book)
  local flat = call('HRANDFIELD', fair_key(book.queue), 4, 'WITHVALUES')
  for i = 1, #flat, 2 do
    local key = string.match(flat[i], '^k:(.*)$')
    if key and string.sub(flat[i + 1], 1, 2) == '0 ' then
      local entry = fair_entry(book, key)
      for class, place in pairs(entry.last) do
        if entry.waiting == 0 and place <= fair_time(book, class).at then entry.last[class] = nil end
      end
    end
  end
end

-- A script or a container is claimed, perhaps one behind others that do not fit the worker.
local function fair_picked(task, score)
  local book = find_fair(task.queue)
  if not book then return end
  local band, head = band_of(tonumber(score) or -1), nil
  if band >= 0 then
    local lane = P .. lane_of(task.queue, task.fn, task.app)
    local first = call('ZRANGEBYSCORE', lane, int(band * BAND), '(' .. int((band + 1) * BAND), 'WITHSCORES', 'LIMIT', 0, 1)
    head = first[2] and tonumber(first[2]) - band * BAND
  end
  fair_claimed(book, task, score, head)
  sweep_fair(book)
  save_fair(book)
end

-- Claims of a whole turn of a function worker, written together.
local turns_taken = {}

local function took_turn(queue, task, score)
  local book = turns_taken[queue]
  if book == nil then
    book = find_fair(queue) or false
    turns_taken[queue] = book
  end
  if book then fair_claimed(book, task, score) end
end

local function save_turns()
  for _, book in pairs(turns_taken) do
    if book then save_fair(book) end
  end
end

-- Of the queues that an enqueue with a key names: false for one that is not fair, true for one that is to be made so.
local fair_names = {}

local function takes_turns(name)
  if fair_names[name] == nil then
    local queue = find_queue(name)
    fair_names[name] = not queue or call('HEXISTS', queue_key(queue), 'fair') == 1
  end
  return fair_names[name]
end
