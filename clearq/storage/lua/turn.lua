-- One turn of a function worker: it reports the attempts that ended and takes the next ones, in one step.
-- KEYS[1] meta (hash)   ARGV: now, holder, nonce, count, this claim's number, kinds of lanes (fn, fn.<app>), how many
--   it could begin at once (so many may be given to it while it is idle), number of the last one given that it has
--   heard of, count of queues, queue id and turn of each (as in claim_many), then for each end: id, fence, how
--   (complete retry fail stop release), payload (result or error), reason, pause in ms or lifetime of the result in
--   ms ('' default)
-- Touches lanes, idle:<lane>, delayed, dead (zsets), t:<id>, own:<w>, queue:<queue>, fair:<queue>, worker:<w> (hashes), waiters:<id>
--   (set), unique:<key> (string), bell:<process> (list), events.fn (stream)
-- RETURNS {word, ids whose fence is stale, claims: {id, fence, fn, args, enqueued, failures, losses, options, since when
--   it has been ready (only where later than enqueued)}..., with claims only: {queue and number of
--   claims in a row of it...}} with
--   the word {'claimed'}, {'empty'}, {'given'} (empty, and some that were given are on their way), {'dead'} (declared dead: nothing was taken, ends are refused) or {'late'}
-- @include base
-- @include order
-- @include tasks
-- @include functions
-- @include upkeep
-- @later limits
-- @later tasks
-- @later functions
-- @later attempts
-- @later upkeep
local w, nonce, count = ARGV[2], ARGV[3], tonumber(ARGV[4])
pass_when_full()
if call('HEXISTS', P .. 'beats', w) == 0 then return { 'dead', {} } end
local now = clock(ARGV[1])
local own = P .. 'own:' .. w
local queues = tonumber(ARGV[9])
local first_end = 10 + 2 * queues
local stale, ended, finished, running, limited, fair = {}, {}, {}, {}, false, false

-- A lean task has no `x`: nothing of the long list is set on it, so nothing of it is read.
local END_MORE = { 'app', 'unique', 'unique.mode', 'waited', 'parent_of', 'priority', 'failures',
  'limits', 'spent', 'fair' }

local TOLD, TOLD_BYTES = 4, 4096

local function count_end(fn, how)
  local word = fn .. ' ' .. how
  ended[word] = (ended[word] or 0) + 1
end

-- One end. Its own entry is taken out with those of the others, in one call.
local function settle_end(at, entry)
  local id, fence, how, payload = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local reason, number = ARGV[at + 4], ARGV[at + 5]
  local key = P .. 't:' .. id
  local lean = call('HMGET', key, 'fence', 'status', 'queue', 'fn', 'x', 'keep')
  if lean[1] ~= fence then stale[#stale + 1] = id return end
  if lean[2] ~= 'in_progress' then return end -- the same end again
  if not entry or string.sub(entry, 1, #fence + 1) ~= fence .. ' ' then stale[#stale + 1] = id return end
  local queue = lean[3]
  finished[#finished + 1] = id
  running[queue] = (running[queue] or 0) - 1
  if how == 'complete' and not lean[5] then
    count_end(lean[4], how)
    call('HSET', key, 'status', 'completed', 'result', payload, 'ended', now)
    call('HDEL', key, 'args', 'holder')
    call('PEXPIRE', key, keep_for(number ~= '' and number or lean[6]))
    return
  end
  local task = { status = lean[2], queue = queue, fn = lean[4], keep = lean[6] or nil }
  if lean[5] then
    local more = call('HMGET', key, unpack(END_MORE))
    for i, name in ipairs(END_MORE) do task[name] = more[i] or nil end
    if task.limits then
      limited = true
      later().leave_running(id, task, queue)
    end
  end
  local stop, failed = string.sub(entry, -5) == ' stop', how == 'retry' or how == 'fail'
  if stop and (how == 'retry' or how == 'release') then how = 'stop' end
  if (how == 'retry' or how == 'release') and not later().queue_exists(task.queue) then how, reason = 'fail', 'queue deleted' end
  count_end(task.fn, how)
  if how == 'complete' then
    call('HSET', key, 'status', 'completed', 'result', payload, 'ended', now)
    call('HDEL', key, 'args', 'holder', 'status_reason', 'status_message')
  elseif how == 'retry' or how == 'release' then
    call('HDEL', key, 'status', 'holder', 'status_message')
    if how == 'retry' then
      call('HSET', key, 'failures', int(tonumber(task.failures or '0') + 1), 'x', '1', 'error', payload, 'status_reason', reason)
    else
      call('HINCRBY', key, 'releases', 1)
      call('HSET', key, 'x', '1', 'status_reason', reason, 'status_message', NOT_COUNTED)
    end
    local score = string.match(entry, '^%S+ (%S+)')
    local due = number ~= '' and int(tonumber(now) + tonumber(number)) or nil
    if number == '0' then later().ready_since(id, task, now) end
    later().put_in_queue(id, task, task.queue, score, due, now)
    return
  else
    local status = how == 'stop' and 'stopped' or 'failed'
    if stop and how == 'stop' then
      local asked = call('HGET', key, 'status_reason') -- what was said to whoever asked it to end
      if asked and asked ~= '' then reason = asked end
    end
    call('HSET', key, 'status', status, 'error', payload, 'status_reason', reason, 'ended', now)
    call('HDEL', key, 'holder', 'stop', 'status_message')
    if how == 'fail' then later().set_aside(id, now) end
    if how == 'fail' and failed then call('HINCRBY', key, 'failures', 1) end
    emit(now, 'task.' .. status, id, task.queue, w, status, reason)
  end
  if how == 'complete' and number ~= '' then task.keep = number end
  if how == 'complete' and not task.unique and not task.parent_of then
    call('PEXPIRE', key, keep_for(task.keep))
  else
    later().settle(id, task, now, how == 'complete' and 'completed' or how == 'stop' and 'stopped' or 'failed')
  end
  if task.waited then
    -- Few small results are told at once: it saves their clients a look.
    local told = how == 'complete' and #ARGV < first_end + 6 * TOLD and #payload <= TOLD_BYTES
    wake_waiters(id, told and id .. ' completed ' .. payload or nil)
  end
end

if first_end <= #ARGV then
  local ids = {}
  for at = first_end, #ARGV, 6 do ids[#ids + 1] = ARGV[at] end
  local entries = call('HMGET', own, unpack(ids))
  for n = 1, #ids do settle_end(first_end + 6 * (n - 1), entries[n]) end
  if #finished > 0 then call('HDEL', own, unpack(finished)) end
  if limited then later().pump() end
end

local claims, number, first_fence = {}, tonumber(ARGV[5]), '1.' .. nonce
local origins = {} -- told once a row, not with each claim
local function note_origin(queue, before)
  if #claims == before then return end
  origins[#origins + 1] = queue
  origins[#origins + 1] = #claims - before
end

-- What a claim answers for a task, whose fence was given just now; and what it holds of a unique key and of limits.
local function answer(id, key, fence, lean)
  local failures, losses, options, unique, mode, limits, ready, turns = '0', '0', '', nil, nil, nil, nil, nil
  if lean[5] then
    local more = call('HMGET', key, 'failures', 'losses', 'options', 'unique', 'unique.mode', 'limits', 'ready', 'fair', 'app')
    failures, losses, options = more[1] or '0', more[2] or '0', more[3] or ''
    unique, mode, limits, ready = more[4], more[5], more[6], more[7] or nil
    if more[8] then turns = { fn = lean[1], fair = more[8], app = more[9] } end
  end
  claims[#claims + 1] = { id, fence, lean[1], lean[2] or '', lean[3], failures, losses, options, ready }
  return unique, mode, limits, turns
end

local function read_claim(key)
  return call('HMGET', key, 'fn', 'args', 'enqueued', 'fence', 'x')
end

local function claim(id, queue, score, held)
  local key = P .. 't:' .. id
  local lean = read_claim(key)
  if not lean[1] then return end
  local fence = lean[4] and later().next_fence(lean[4], nonce) or first_fence
  call('HSET', key, 'status', 'in_progress', 'fence', fence, 'holder', w)
  held[#held + 1] = id
  held[#held + 1] = fence .. ' ' .. score
  running[queue] = (running[queue] or 0) + 1
  local unique, mode, limits, turns = answer(id, key, fence, lean)
  if turns then
    fair = true
    later().took_turn(queue, turns, score)
  end
  if limits then later().claim_permits(id, { limits = limits }, queue, now, fence) end
  if mode == 'start' then later().free_unique(id, unique, mode) end
end

local function repeat_claim()
  local flat = call('HGETALL', own)
  for i = 1, #flat, 2 do
    local fence = string.match(flat[i + 1], '^(%S+)')
    if string.sub(fence, -#nonce - 1) == '.' .. nonce then
      local before = #claims
      answer(flat[i], task_key(flat[i]), fence, read_claim(task_key(flat[i])))
      note_origin(call('HGET', task_key(flat[i]), 'queue') or '', before)
    end
  end
end

local kinds = {}
for kind in string.gmatch(ARGV[6], '%S+') do kinds[#kinds + 1] = kind end

-- The lane with the lowest head of a queue.
local function lowest(queue)
  if #kinds == 1 then return P .. kinds[1] .. ':' .. queue end
  local best, best_lane
  for _, kind in ipairs(kinds) do
    local head = call('ZRANGE', P .. kind .. ':' .. queue, 0, 0, 'WITHSCORES')
    if head[2] and (not best or tonumber(head[2]) < best) then
      best, best_lane = tonumber(head[2]), P .. kind .. ':' .. queue
    end
  end
  return best_lane
end

local function claim_next(held)
  local open, left = {}, count
  for i = 10, first_end - 1, 2 do
    if call('HEXISTS', queue_key(ARGV[i]), 'paused') == 0 then open[#open + 1] = { ARGV[i], tonumber(ARGV[i + 1]) } end
  end
  while #open > 0 and left > 0 do
    local still = {}
    for _, entry in ipairs(open) do
      local turn = math.min(entry[2], left)
      local taken, before = 0, #claims
      while taken < turn do
        local lane = lowest(entry[1])
        local most = #kinds == 1 and turn - taken or 1
        local popped = lane and call('ZPOPMIN', lane, most) or {}
        if #popped == 0 then break end
        for i = 1, #popped, 2 do claim(popped[i], entry[1], popped[i + 1], held) end
        taken = taken + #popped / 2
        if #kinds == 1 and #popped < 2 * most then break end -- that was all
      end
      left = left - taken
      note_origin(entry[1], before)
      if taken == turn and left > 0 then still[#still + 1] = entry end
    end
    open = still
  end
end

local word = 'late'
local worker = P .. 'worker:' .. w
local last, last_nonce, sent, withdrawn = unpack(call('HMGET', worker, 'claim', 'claim_nonce', 'given', 'withdrawn'))
local heard = math.max(tonumber(ARGV[8]), tonumber(withdrawn or '0'))
local coming = math.max(0, tonumber(sent or '0') - heard) -- given to it, and it knows nothing of them yet
if last_nonce == nonce then
  repeat_claim()
  word = #claims > 0 and 'claimed' or 'empty'
elseif number > tonumber(last or '0') then
  if upkeep_due(now) then later().upkeep(now) end
  local held = {}
  if count > 0 then
    count = math.max(0, count - coming)
    claim_next(held)
    call('HSET', worker, 'claim', ARGV[5], 'claim_nonce', nonce, 'taken', ARGV[8],
      'room', int(math.max(heard, heard + tonumber(ARGV[7]) - #claims)))
    if fair then later().save_turns() end
    for i = 1, #held, 1000 do call('HSET', own, unpack(held, i, math.min(i + 999, #held))) end
  end
  word = #claims > 0 and 'claimed' or coming > 0 and 'given' or 'empty'
  for i = 10, first_end - 1, 2 do
    for _, kind in ipairs(kinds) do
      local lane = kind .. ':' .. ARGV[i]
      if #claims < count then
        call('ZADD', P .. 'idle:' .. lane, now, w)
      else
        call('ZREM', P .. 'idle:' .. lane, w)
        if call('EXISTS', P .. lane) == 1 and call('HEXISTS', queue_key(ARGV[i]), 'paused') == 0 then ring_lane(lane, 1) end
      end
    end
  end
end
for queue, change in pairs(running) do
  if change ~= 0 then call('HINCRBY', queue_key(queue), 'running', change) end
end
emit_functions(now, 'ended', ended)
if #claims == 0 then return { word, stale, claims } end
return { word, stale, claims, origins }
