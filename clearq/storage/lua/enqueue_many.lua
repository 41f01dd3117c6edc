-- Put many new functions into queues, all or nothing. A queue that does not exist is made.
-- KEYS[1] meta (hash)   ARGV: now, then for each task: id, queue name or id, its slug, function, arguments,
--   priority ('' is 0), delay in ms ('' none), due in ms ('' none), count of further fields, then their names and
--   values (app, unique, unique.mode (start done time), unique.ms, after (ids, space-separated), after.rule (all any
--   run), keep, options, limits.losses, limits (keys of limits, space-separated), fair (key of a fair queue; a queue
--   that is made here is fair then), and as the last one sizes (name=permits or name=permits/period in ms,
--   space-separated): what the app declares of those limits. It holds in a queue that knows none, and is not stored
--   with the task)
-- Touches t:<id>, permits:<queue>, fair:<queue> (hashes), limit.held:*, limit.lane:*, fn:<queue> / fn.<app>:<queue> / delayed (zset), unique:<key> (string), after:<id>,
--   waits:<queue> (sets),
--   idle:<lane> (zset), bell:<process>, given:<w> (lists), own:<w>, worker:<w>, queues, queue:<queue> (hashes),
--   events.fn (stream)
-- RETURNS one word a task: {'queued'} (also for the same task again) | {'duplicate'} and the id that holds the key
--   | {'exists'} (another task has that id) | {'no_parent', id} or
--   {'not_fair', queue} (it takes no keys) for the whole call, which then does nothing
-- @include base
-- @include order
-- @include queues
-- @include give
-- @later limits
-- @later tasks
-- @later parents
local GIVEN_AT_ONCE = 8 -- more than that go through the lane, where one turn takes many

local tasks, given, i = {}, {}, 2
while i <= #ARGV do
  local entry = { id = ARGV[i], queue = ARGV[i + 1], slug = ARGV[i + 2], fn = ARGV[i + 3], args = ARGV[i + 4],
    priority = ARGV[i + 5], delay = ARGV[i + 6], due = ARGV[i + 7], extra = tonumber(ARGV[i + 8]), at = i + 9 }
  for j = entry.at, entry.at + 2 * entry.extra - 1, 2 do entry[ARGV[j]] = ARGV[j + 1] end
  if entry.after then
    for parent in string.gmatch(entry.after, '%S+') do
      if not given[parent] and call('EXISTS', task_key(parent)) == 0 then return { 'no_parent', parent } end
    end
  end
  if entry.fair and not later().takes_turns(entry.queue) then return { 'not_fair', entry.queue } end
  given[entry.id] = true
  tasks[#tasks + 1] = entry
  i = entry.at + 2 * entry.extra
  if entry.sizes and ARGV[i - 2] == 'sizes' then entry.extra = entry.extra - 1 end
end

local now = clock(ARGV[1])
local found, words, counts = {}, {}, {}
local arrivals = {} -- queue id to what can be claimed at once, in order

for _, entry in ipairs(tasks) do
  local key = task_key(entry.id)
  local word = 'queued'
  local known = call('HMGET', key, 'fn', 'args')
  if known[1] then
    if known[1] ~= entry.fn or known[2] and known[2] ~= entry.args then word = 'exists' end
  else
    local holder = entry.unique and call('GET', P .. 'unique:' .. entry.unique)
    if holder then
      word = 'duplicate ' .. holder
    else
      local queue = found[entry.queue]
      if not queue then
        queue = find_queue(entry.queue)
        if not queue then
          queue = make_queue(now, entry.queue, entry.slug)
          if later().fair_names[entry.queue] then call('HSET', queue_key(queue), 'fair', '0') end
        end
        found[entry.queue] = queue
      end
      if entry.sizes then later().declare_sizes(now, queue, entry.sizes, false) end
      call('HSET', key, 'fn', entry.fn, 'args', entry.args, 'queue', queue, 'enqueued', now)
      if entry.extra == 1 and entry.keep then
        call('HSET', key, 'keep', entry.keep) -- nothing else of it needs a look
      elseif entry.extra > 0 then
        call('HSET', key, 'x', '1', unpack(ARGV, entry.at, entry.at + 2 * entry.extra - 1))
      end
      if entry.priority ~= '' then call('HSET', key, 'priority', entry.priority) end
      if entry.unique then
        if entry['unique.ms'] then
          call('SET', P .. 'unique:' .. entry.unique, entry.id, 'PX', entry['unique.ms'])
        else
          call('SET', P .. 'unique:' .. entry.unique, entry.id)
        end
      end
      local due = entry.due ~= '' and entry.due or nil
      if entry.delay ~= '' then due = int(tonumber(now) + tonumber(entry.delay)) end
      if entry.after and later().hold_for_parents(entry.id, entry.after, entry['after.rule'], queue, due) then
        -- It waits for them, in no lane.
      elseif due and tonumber(due) > tonumber(now) then
        later().put_in_queue(entry.id, entry, queue, nil, due, now)
      else
        local list = arrivals[queue]
        if not list then
          list = {}
          arrivals[queue] = list
        end
        list[#list + 1] = entry
      end
      counts[entry.fn] = (counts[entry.fn] or 0) + 1
    end
  end
  words[#words + 1] = word
end

-- One call takes the places of a queue, one puts the tasks into a lane: a call a task would cost more than its work.
for queue, entries in pairs(arrivals) do
  local paused, base = unpack(call('HMGET', queue_key(queue), 'paused', 'fair'))
  local book = base and later().open_fair(queue, base)
  local place, lanes, woken = book and 0 or next_places(queue, #entries), {}, {}
  local may_give = not paused and not book and #entries <= GIVEN_AT_ONCE
  for _, entry in ipairs(entries) do
    local score = book and later().fair_score(book, entry.id, entry)
      or int((1000 - tonumber(entry.priority ~= '' and entry.priority or '0')) * BAND + place)
    if entry.limits then
      later().admit(entry.id, entry, queue, score)
    else
      local lane = lane_of(queue, entry.fn, entry.app)
      local flat, is_given = lanes[lane], false
      if may_give and not flat and not entry.unique then
        is_given, woken[lane] = give(lane, queue, entry.id, entry, score, now)
      end
      if not is_given then
        if not flat then
          flat = {}
          lanes[lane] = flat
        end
        flat[#flat + 1] = score
        flat[#flat + 1] = entry.id
      end
    end
    place = place + STEP
  end
  if book then later().save_fair(book) end
  for lane, flat in pairs(lanes) do
    for i = 1, #flat, 1000 do call('ZADD', P .. lane, unpack(flat, i, math.min(i + 999, #flat))) end
    if not paused then ring_lane(lane, math.min(#flat / 2, 100) - (woken[lane] or 0)) end
  end
end
emit_functions(now, 'queued', counts)
return words
