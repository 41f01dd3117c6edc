-- Upkeep that every claim, beat and timer carries a little of: due tasks, and one unfinished sliced work.

-- Move up to 100 due tasks to their lanes. ZREM first: one mover wins.
local function promote(now)
  for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'delayed', '-inf', now, 'LIMIT', 0, 100)) do
    if call('ZREM', P .. 'delayed', id) == 1 then
      local task = read_state(id)
      if task then
        call('HINCRBY', queue_key(task.queue), 'delayed', -1)
        call('HDEL', task_key(id), 'due', 'score')
        ready_since(id, task, task.due or now)
        enter_lane(id, task, task.queue, task.score)
      end
    end
  end
end

-- What a slice of a clear may do: a lean function in a lane costs 1, any other task more (about 5 ms in all).
local CLEAR_MOST, CLEAR_DEAR = 400, 4
local clear_cost = 0

-- A lean function becomes a draft: nothing is set on it that had to be given back. The caller takes it off its lane.
local function lean_draft(id, now, reason)
  call('HSET', task_key(id), 'status', 'created', 'status_reason', reason, 'status_changed', now)
  call('PEXPIRE', task_key(id), SET_ASIDE_KEEP)
end

-- Was it enqueued after the clear began? Then it stays. One from the future came before: the clock was set back.
local function came_after(enqueued, cleared, now)
  local at = tonumber(enqueued or '0')
  return at > cleared and at <= tonumber(now)
end

-- The tasks of a lane from `offset` on that `cleared` takes in. Returns how many were seen, how many taken.
local function clear_lane(now, queue, lane, offset, cleared, counts)
  local ids, seen, taken, lean = call('ZRANGE', lane, offset, offset + CLEAR_MOST - 1), 0, 0, {}
  local last = clear_cost + CLEAR_MOST
  for _, id in ipairs(ids) do
    if clear_cost >= last then break end
    local task = call('HMGET', task_key(id), 'fn', 'x', 'queue', 'enqueued', 'request')
    seen, clear_cost = seen + 1, clear_cost + 1
    if task[3] == queue and not came_after(task[4], cleared, now) then
      taken = taken + 1
      if task[1] then counts[task[1]] = (counts[task[1]] or 0) + 1 end
      if task[1] and not task[2] and not task[5] then
        lean_draft(id, now, 'queue cleared')
        lean[#lean + 1] = id
      else
        draft_again(id, read_state(id), now, 'queue cleared', task[1])
        clear_cost = clear_cost + CLEAR_DEAR - 1
      end
    end
  end
  if #lean == seen and seen > 0 then
    call('ZREMRANGEBYRANK', lane, offset, offset + seen - 1)
  elseif #lean > 0 then
    call('ZREM', lane, unpack(lean))
  end
  return seen, taken
end

-- Take tasks enqueued until `cleared` out of a queue, a slice of them. Returns how many, and is none left?
local function clear_some(now, queue, counts)
  local cleared = tonumber(call('HGET', queue_key(queue), 'clearing') or '0')
  local taken = 0
  local function take(id)
    local task = read_state(id)
    if not task or task.queue ~= queue or came_after(task.enqueued, cleared, now) then return end
    if task.fn then counts[task.fn] = (counts[task.fn] or 0) + 1 end
    draft_again(id, task, now, 'queue cleared', task.fn)
    taken, clear_cost = taken + 1, clear_cost + CLEAR_DEAR
  end
  -- Those that wait for parents come first: an end may put them where the next slices look.
  local cursor = call('HGET', queue_key(queue), 'clear_waits') or '0'
  if cursor ~= 'done' and call('EXISTS', P .. 'waits:' .. queue) == 1 then
    local answer = call('SSCAN', P .. 'waits:' .. queue, cursor, 'COUNT', 200)
    for _, id in ipairs(answer[2]) do take(id) end
    call('HSET', queue_key(queue), 'clear_waits', answer[1] == '0' and 'done' or answer[1])
    return taken, false
  end
  for _, lane in ipairs(lanes_of(queue)) do
    local skip = 'clear_skip:' .. lane
    local offset = tonumber(call('HGET', queue_key(queue), skip) or '0')
    local seen, some = clear_lane(now, queue, lane, offset, cleared, counts)
    if seen > 0 then
      -- Those that came after the clear stay; the next slice begins behind them.
      call('HINCRBY', queue_key(queue), skip, seen - some)
      return taken + some, false
    end
  end
  cursor = call('HGET', queue_key(queue), 'clear_cursor') or '0'
  if tonumber(call('HGET', queue_key(queue), 'delayed') or '0') > 0 then
    local answer = call('ZSCAN', P .. 'delayed', cursor, 'COUNT', 200)
    for i = 1, #answer[2], 2 do take(answer[2][i]) end
    if answer[1] ~= '0' then
      call('HSET', queue_key(queue), 'clear_cursor', answer[1])
      return taken, false
    end
  end
  if tonumber(call('HGET', queue_key(queue), 'held') or '0') > 0 then
    -- Every key with held tasks stands in `permits`; none moves to another key while the queue is being cleared.
    local keys = call('HSCAN', P .. 'permits:' .. queue, call('HGET', queue_key(queue), 'clear_held') or '0', 'COUNT', 50)
    for i = 1, #keys[2], 2 do
      local held = P .. 'limit.held:' .. queue .. ':' .. keys[2][i]
      for _, id in ipairs(call('ZRANGE', held, 0, -1)) do
        if taken >= 2 * CLEAR_MOST / CLEAR_DEAR then return taken, false end
        take(id)
      end
    end
    if keys[1] ~= '0' then
      call('HSET', queue_key(queue), 'clear_held', keys[1])
      return taken, false
    end
  end
  return taken, true
end

-- A slice of a clear: how many tasks it has taken so far, is none left? The count is kept for a client that asks again
-- after the last answer was lost.
local function clear_slice(now, queue)
  local key, counts = queue_key(queue), {}
  local taken, done = clear_some(now, queue, counts)
  emit_functions(now, 'cleared', counts)
  local total = call('HINCRBY', key, 'clear_count', taken)
  if not done then return total, false end
  note_done(call('HGET', key, 'clear_request'), int(total))
  call('HDEL', key, 'clearing', 'clear_waits', 'clear_cursor', 'clear_held', 'clear_count', 'clear_request')
  for _, lane in ipairs(lanes_of(queue)) do call('HDEL', key, 'clear_skip:' .. lane) end
  emit(now, 'queue.cleared', '', queue)
  return total, true
end

local MOST_TALLIED = 20000 -- fields of the tally, as for what workers count (`tally`)

-- Losses of functions, for monitoring. No worker can tell of its own, and how long they ran nobody knows.
local function count_losses(now, lost)
  local events, tally = {}, P .. 'tally'
  for queue, functions in pairs(lost) do
    for fn, count in pairs(functions) do
      local field = 'lost  ' .. queue .. ' 0 ' .. fn
      if call('HEXISTS', tally, field) == 0 and call('HLEN', tally) >= MOST_TALLIED then field = 'lost  other 0 other' end
      call('HINCRBY', tally, field, int(count))
      call('PEXPIRE', tally, 2592000000) -- 30 days, as `tally` does
      events[fn .. ' lost'] = (events[fn .. ' lost'] or 0) + count
    end
  end
  emit_functions(now, 'ended', events)
end

-- Requeue or mark lost what a dead holder answered for, 100 a slice; true when nothing is left. `proof` of its death is
-- told with each task; a later slice finds it in the worker's hash.
local function reclaim_slice(now, holder, proof)
  proof = proof or call('HGET', P .. 'worker:' .. holder, 'proof')
  local own, lost = P .. 'own:' .. holder, {}
  local ids = call('HKEYS', own)
  for i = 1, math.min(#ids, 100) do
    local id = ids[i]
    local entry = read_own(holder, id)
    local task = read_state(id)
    if task and task.fence == entry.fence and task.holder == holder then
      if task.fn or task.stage == 'claimed' then
        -- Its holder is marked dead: a claimed task can no longer start, a function's end is refused.
        if task.fn then
          local functions = lost[task.queue] or {}
          functions[task.fn] = (functions[task.fn] or 0) + 1
          lost[task.queue] = functions
        end
        lose(id, task, now, proof or 'no heartbeat from ' .. (task.worker or holder))
      else
        local deadline = int(tonumber(now) + tonumber(task['limits.lost_timeout'] or DEFAULT_LOST_TIMEOUT) * 1000)
        call('HDEL', own, id)
        call('HSET', task_key(id), 'stage', 'lost', 'score', entry.score)
        if entry.stop and not task.stop then call('HSET', task_key(id), 'stop', '1') end
        call('HDEL', task_key(id), 'holder')
        call('ZADD', P .. 'lost', deadline, id)
        set_status(id, task, now, 'in_progress', 'no heartbeat from its supervisor', '')
        emit(now, 'task.lost', id, task.queue, task.worker, 'in_progress')
        ring_lane('timer', 1)
      end
    end
    call('HDEL', own, id)
  end
  count_losses(now, lost)
  return #ids <= 100
end

-- A lost attempt whose time to come back is over.
local function expire_lost(now)
  for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'lost', '-inf', now, 'LIMIT', 0, 100)) do
    local task = read_state(id)
    if task and task.stage == 'lost' then
      lose(id, task, now, 'it did not come back in time')
    else
      call('ZREM', P .. 'lost', id)
    end
  end
end

-- Keys with a free permit and held tasks: several at once, as the tries of a call last.
local function carry_limits()
  for _, item in ipairs(call('SRANDMEMBER', P .. 'todo', 64)) do
    local queue, key = string.match(item, '^limit (%S+) (.*)$')
    if queue then
      call('SREM', P .. 'todo', item)
      shrink(queue, key)
      look_at(queue, key)
    end
  end
  pump()
end

-- Carry on one item of unfinished work.
local function carry_on(now)
  local item = call('SRANDMEMBER', P .. 'todo')
  if not item then return end
  local verb, argument = string.match(item, '^(%S+) (.*)$')
  local done = true
  if verb == 'clear' then
    local _
    _, done = clear_slice(now, argument)
  elseif verb == 'reclaim' then
    done = reclaim_slice(now, argument)
  elseif verb == 'after' then
    local status, parent = string.match(argument, '^(%S+) (.*)$')
    done = release_dependants(parent, status, now)
  elseif verb == 'limit' then
    return carry_limits()
  elseif verb == 'resize' then
    local queue, name, cursor = string.match(argument, '^(%S+) (%S+) (%S+)$')
    local following = resize_slice(queue, name, cursor)
    if following ~= '0' then call('SADD', P .. 'todo', 'resize ' .. queue .. ' ' .. name .. ' ' .. following) end
    done = following == '0' or following ~= cursor
  elseif verb == 'retime' then
    local following = retime_slice(now, argument)
    if following ~= '0' then call('SADD', P .. 'todo', 'retime ' .. following) end
    done = following == '0' or following ~= argument
  end
  if done then call('SREM', P .. 'todo', item) end
end

-- Is there any? Asked by those that come often: on the usual answer the rest need not even be made.
local function upkeep_due(now)
  if call('EXISTS', P .. 'delayed', P .. 'timers', P .. 'todo') == 0 then return false end
  return #call('ZRANGEBYSCORE', P .. 'delayed', '-inf', now, 'LIMIT', 0, 1) > 0
    or #call('ZRANGEBYSCORE', P .. 'timers', '-inf', now, 'LIMIT', 0, 1) > 0 or call('EXISTS', P .. 'todo') == 1
end

local function upkeep(now)
  promote(now)
  return_permits(now)
  carry_on(now)
end
