-- Limits by key. A task in a lane or running holds one permit of each of its keys; the others are held, each on
-- exactly one full key, in the order of their scores. So a claim has nothing to check and skips nothing.
--
-- permits:<queue> counts the permits taken by key (a key with held tasks stands in it, too); limit.lane has the tasks
-- in a lane, so that a better one finds the worst; limit.held those that wait for a permit. Sizes lie in the queue's
-- hash by limit name, which is the part of a key before its first colon. A name without a size limits nothing.
-- `limit:<name>` is the size that holds ("permits" or "permits/period in ms"), `limit.app:<name>` the one that apps
-- declare, `limit.hand:<name>` stands beside a size that was set by hand: it wins until it is taken off.
local TRIES = 64 -- of held tasks a call, shared by all that happens in it; the rest goes through `todo`
local KEEP_AFTER = 3 -- failed tries, after which a task keeps each permit it gets: else one of several keys starves
local MOST_EVICTED = 16

local tries_left = TRIES
local freed, freed_at, limit_sizes = {}, {}, {}

local function permits_of(queue) return P .. 'permits:' .. queue end
local function held_on(queue, key) return P .. 'limit.held:' .. queue .. ':' .. key end
local function lane_on(queue, key) return P .. 'limit.lane:' .. queue .. ':' .. key end

-- The keys of a list, sorted, each once: all tasks take them in one order, so no two wait for each other.
local function limit_keys(text)
  local keys = {}
  for key in string.gmatch(text or '', '%S+') do keys[#keys + 1] = key end
  table.sort(keys)
  for i = #keys, 2, -1 do
    if keys[i] == keys[i - 1] then table.remove(keys, i) end
  end
  return keys
end

local function key_set(text)
  local set = {}
  for key in string.gmatch(text or '', '%S+') do set[key] = true end
  return set
end

-- Size of a key's limit (nil: none) and, of a rate, its period in ms.
local function size_of(queue, key)
  local name = string.match(key, '^[^:]*')
  local found = limit_sizes[queue .. ' ' .. name]
  if not found then
    local size, period = string.match(call('HGET', queue_key(queue), 'limit:' .. name) or '', '^(%d+)/?(%d*)$')
    found = { tonumber(size), period ~= '' and period or nil }
    limit_sizes[queue .. ' ' .. name] = found
  end
  return found[1], found[2]
end

-- How many permits must come back before one is free; 0 or less: one is free.
local function missing(queue, key)
  local size = size_of(queue, key)
  if not size then return 0 end
  return tonumber(call('HGET', permits_of(queue), key) or '0') - size + 1
end

local function take_permit(queue, key)
  call('HINCRBY', permits_of(queue), key, 1)
end

-- To be looked at by the next pump.
local function look_at(queue, key)
  local name = queue .. ' ' .. key
  if not freed_at[name] then
    freed_at[name] = true
    freed[#freed + 1] = { queue, key }
  end
end

local function give_permit(queue, key)
  local left = call('HINCRBY', permits_of(queue), key, -1)
  if call('EXISTS', held_on(queue, key)) == 1 then
    look_at(queue, key)
  elseif left <= 0 then
    call('HDEL', permits_of(queue), key)
  end
end

local LIMITED = { 'limits', 'fn', 'app', 'held', 'kept', 'tries' }

local function read_limited(id)
  local values, task = call('HMGET', task_key(id), unpack(LIMITED)), {}
  for i, name in ipairs(LIMITED) do task[name] = values[i] or nil end
  return task
end

-- Out of the lane, back to held: a better one needs its permit of `key`.
local function evict(id, queue, key, score)
  local task = read_limited(id)
  call('ZREM', lane_on(queue, key), id)
  if not task.limits then return end
  call('ZREM', P .. lane_of(queue, task.fn, task.app), id)
  call('ZADD', held_on(queue, key), score, id)
  call('HSET', task_key(id), 'held', key)
  call('HINCRBY', queue_key(queue), 'held', 1)
  for _, each in ipairs(limit_keys(task.limits)) do
    call('ZREM', lane_on(queue, each), id)
    give_permit(queue, each)
  end
end

-- Is a permit free, or can worse tasks in the lane give theirs up? With `act` they do.
local function make_room(queue, key, score, act)
  local need = missing(queue, key)
  if need <= 0 then return true end
  if need > MOST_EVICTED then return false end
  local worst = call('ZREVRANGE', lane_on(queue, key), 0, need - 1, 'WITHSCORES')
  if #worst < 2 * need or tonumber(worst[2 * need]) <= tonumber(score) then return false end
  -- A clear looks through the lanes first: nothing may go from them to where it has looked.
  if call('HEXISTS', queue_key(queue), 'clearing') == 1 then return false end
  if act then
    for i = 1, #worst, 2 do evict(worst[i], queue, key, worst[i + 1]) end
  end
  return true
end

-- Take what permits there are. Returns the key that has none, or nil when all are taken.
local function take_permits(queue, keys, kept, keeps, score)
  if not keeps then
    for _, key in ipairs(keys) do
      if not make_room(queue, key, score) then return key end
    end
  end
  for _, key in ipairs(keys) do
    if not kept[key] then
      if not make_room(queue, key, score, true) then return key end
      take_permit(queue, key)
      kept[key] = true
    end
  end
end

-- Into the lane with a permit of each key, or held on the first full one.
local function try_permits(id, task, queue, score)
  local keys, kept, tries = limit_keys(task.limits), key_set(task.kept), tonumber(task.tries or '0')
  local full = take_permits(queue, keys, kept, tries >= KEEP_AFTER, score)
  if full then
    local keeping = {}
    for _, key in ipairs(keys) do
      if kept[key] then keeping[#keeping + 1] = key end
    end
    call('ZADD', held_on(queue, full), score, id)
    call('HSET', task_key(id), 'held', full)
    if #keys > 1 then call('HINCRBY', task_key(id), 'tries', 1) end
    if #keeping > 0 then call('HSET', task_key(id), 'kept', table.concat(keeping, ' ')) end
    if not task.held then call('HINCRBY', queue_key(queue), 'held', 1) end
    return
  end
  if task.held then
    call('HINCRBY', queue_key(queue), 'held', -1)
    call('HDEL', task_key(id), 'held', 'kept', 'tries')
  end
  for _, key in ipairs(keys) do call('ZADD', lane_on(queue, key), score, id) end
  local lane = lane_of(queue, task.fn, task.app)
  call('ZADD', P .. lane, score, id)
  if call('HEXISTS', queue_key(queue), 'paused') == 0 then ring_work(lane) end
end

-- A limit that became smaller: the worst in the lane give way. More than fit into this call go through `todo`.
local function shrink(queue, key)
  while missing(queue, key) > 1 do
    local worst = call('ZREVRANGE', lane_on(queue, key), 0, 0, 'WITHSCORES')
    if not worst[1] then return end
    if tries_left <= 0 or call('HEXISTS', queue_key(queue), 'clearing') == 1 then
      call('SADD', P .. 'todo', 'limit ' .. queue .. ' ' .. key)
      return
    end
    tries_left = tries_left - 1
    evict(worst[1], queue, key, worst[2])
  end
end

-- While a key has a free permit and a held task, its best one tries again, perhaps to be held on another key.
local function pump_key(queue, key)
  local held = held_on(queue, key)
  while missing(queue, key) <= 0 do
    local best = call('ZRANGE', held, 0, 0, 'WITHSCORES')
    if not best[1] then
      if tonumber(call('HGET', permits_of(queue), key) or '1') <= 0 then call('HDEL', permits_of(queue), key) end
      return
    end
    if tries_left <= 0 or call('HEXISTS', queue_key(queue), 'clearing') == 1 then
      call('SADD', P .. 'todo', 'limit ' .. queue .. ' ' .. key)
      return
    end
    tries_left = tries_left - 1
    call('ZREM', held, best[1])
    local task = read_limited(best[1])
    if task.limits and task.held == key then try_permits(best[1], task, queue, best[2]) end
  end
end

local function pump()
  local i = 1
  while freed[i] do
    local queue, key = freed[i][1], freed[i][2]
    freed_at[queue .. ' ' .. key] = nil
    pump_key(queue, key)
    i = i + 1
  end
  freed = {}
end

-- A task with limits comes to its queue.
local function admit(id, task, queue, score)
  pump() -- those that wait for what it may have given back come first
  try_permits(id, task, queue, score)
  pump()
end

-- A queued task goes, from its lane or from where it is held.
local function leave_lane(id, task, queue)
  for _, key in ipairs(limit_keys(task.limits)) do
    call('ZREM', lane_on(queue, key), id)
    give_permit(queue, key)
  end
  pump()
end

local function leave_held(id, task, queue)
  call('ZREM', held_on(queue, task.held), id)
  call('HINCRBY', queue_key(queue), 'held', -1)
  call('HDEL', task_key(id), 'held', 'kept', 'tries')
  for _, key in ipairs(limit_keys(task.kept)) do give_permit(queue, key) end
  look_at(queue, task.held) -- nobody may need its count any more
  pump()
end

-- It is claimed: permits of rates are the timer's from now on, and come back one period later.
local function claim_permits(id, task, queue, now, fence)
  local spent = {}
  for _, key in ipairs(limit_keys(task.limits)) do
    call('ZREM', lane_on(queue, key), id)
    local _, period = size_of(queue, key)
    if period then
      local back = int(tonumber(now) + tonumber(period))
      local first = call('ZRANGE', P .. 'timers', 0, 0, 'WITHSCORES')
      call('ZADD', P .. 'timers', back, 'permit ' .. queue .. ' ' .. id .. '.' .. fence .. ' ' .. key)
      if not first[2] or tonumber(back) < tonumber(first[2]) then ring_lane('timer', 1) end
      spent[#spent + 1] = key
    end
  end
  if #spent > 0 then call('HSET', task_key(id), 'spent', table.concat(spent, ' ')) end
end

-- Its attempt is over, whichever way. The caller pumps, after a whole batch of ends.
local function leave_running(id, task, queue)
  local spent = key_set(task.spent)
  for _, key in ipairs(limit_keys(task.limits)) do
    if not spent[key] then give_permit(queue, key) end
  end
  if task.spent then call('HDEL', task_key(id), 'spent') end
  task.spent = nil
end

-- Permits of rates that come back, up to 100.
local function return_permits(now)
  for _, member in ipairs(call('ZRANGEBYSCORE', P .. 'timers', '-inf', now, 'LIMIT', 0, 100)) do
    local queue, key = string.match(member, '^permit (%S+) %S+ (%S+)$')
    call('ZREM', P .. 'timers', member)
    if queue and call('HEXISTS', permits_of(queue), key) == 1 then give_permit(queue, key) end
  end
  pump()
end

-- The server's clock was set back: what would come back later than one period from now does so then. Returns the next
-- slice's cursor.
local function retime_slice(now, cursor)
  local answer = call('ZSCAN', P .. 'timers', cursor, 'COUNT', 200)
  for i = 1, #answer[2], 2 do
    local queue, key = string.match(answer[2][i], '^permit (%S+) %S+ (%S+)$')
    local _, period = size_of(queue or '', key or '')
    local latest = period and tonumber(now) + tonumber(period)
    if latest and tonumber(answer[2][i + 1]) > latest then call('ZADD', P .. 'timers', int(latest), answer[2][i]) end
  end
  return answer[1]
end

-- A size has changed: every key of that limit is looked at, 200 a slice. Returns the next slice's cursor.
local function resize_slice(queue, name, cursor)
  local answer = call('HSCAN', permits_of(queue), cursor, 'COUNT', 200)
  for i = 1, #answer[2], 2 do
    local key = answer[2][i]
    if string.match(key, '^[^:]*') == name then
      shrink(queue, key)
      look_at(queue, key)
    end
  end
  pump()
  return answer[1]
end

-- The size that holds from now on; '' is none.
local function hold_size(now, queue, name, size)
  if (call('HGET', queue_key(queue), 'limit:' .. name) or '') == size then return end
  if size == '' then
    call('HDEL', queue_key(queue), 'limit:' .. name)
  else
    call('HSET', queue_key(queue), 'limit:' .. name, size)
  end
  limit_sizes[queue .. ' ' .. name] = nil
  call('HINCRBY', queue_key(queue), 'rev', 1)
  local following = resize_slice(queue, name, '0')
  if following ~= '0' then call('SADD', P .. 'todo', 'resize ' .. queue .. ' ' .. name .. ' ' .. following) end
  emit(now, 'queue.limited', '', queue, '', '', name .. ' ' .. (size == '' and 'none' or size))
end

-- Sizes that an app declares, "name=size name=size". A caller's counts only where none was declared before, a
-- worker's (`anew`) always: so the newest worker decides, whoever else runs an older version.
local declared_sizes = {}
local function declare_sizes(now, queue, text, anew)
  local seen = queue .. ' ' .. text
  if declared_sizes[seen] then return end
  declared_sizes[seen] = true
  for name, size in string.gmatch(text, '([^ =]+)=([1-9]%d*/?%d*)') do
    local known = call('HMGET', queue_key(queue), 'limit.app:' .. name, 'limit.hand:' .. name)
    if not known[1] or anew and known[1] ~= size then
      call('HSET', queue_key(queue), 'limit.app:' .. name, size)
      if not known[2] then hold_size(now, queue, name, size) end
    end
  end
end
