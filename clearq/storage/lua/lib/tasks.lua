-- What happens to a task's hash, whichever script does it.
-- @include fair

local function read_task(id)
  local flat = call('HGETALL', task_key(id))
  if #flat == 0 then return nil end
  local task = {}
  for i = 1, #flat, 2 do task[flat[i]] = flat[i + 1] end
  task.status = task.status or 'queued'
  return task
end

-- The fields that decide about an attempt; cheaper than the whole hash, which may hold a large diff.
local STATE = { 'status', 'stage', 'queue', 'priority', 'fence', 'holder', 'host_id', 'gpus_held', 'fn', 'app',
  'failures', 'losses', 'limits.retries', 'limits.retry_delay', 'limits.retry_delay_max', 'limits.losses',
  'limits.lost_timeout', 'worker', 'manual', 'stop', 'score', 'due', 'request', 'rev', 'claims', 'enqueued',
  'name', 'unique', 'unique.mode', 'keep', 'parent_of', 'waits', 'after.rule', 'limits', 'held', 'kept', 'spent', 'fair' }

local function read_state(id)
  local values = call('HMGET', task_key(id), unpack(STATE))
  local task, any = {}, false
  for i, name in ipairs(STATE) do
    if values[i] then
      task[name] = values[i]
      any = true
    end
  end
  if not any then return nil end
  task.status = task.status or 'queued'
  return task
end

-- A function's arguments go when it completes: it cannot run again.
local function gave_up_args(id, task)
  return task.fn and task.status ~= 'queued' and task.status ~= 'in_progress' and call('HEXISTS', task_key(id), 'args') == 0
end

local function may_follow(before, after)
  return before == after or (TRANSITIONS[before] and TRANSITIONS[before][after] or false)
end

-- Script tasks are listed by their last change; lean function tasks are not.
local function touch(id, task, now)
  if task.fn then return end
  call('ZADD', P .. 'changed', now, id)
end

local function set_status(id, task, now, status, reason, message)
  local fields = { 'status', status, 'status_changed', now, 'updated', now }
  if task.fn and (reason or '') == '' then
    call('HDEL', task_key(id), 'status_reason', 'status_message') -- they told of an earlier state
  else
    fields[#fields + 1] = 'status_reason'
    fields[#fields + 1] = reason or ''
    fields[#fields + 1] = 'status_message'
    fields[#fields + 1] = message or ''
  end
  call('HSET', task_key(id), unpack(fields))
  touch(id, task, now)
end

-- Put a queued task within reach of workers, or where it waits for its permits: at the place it had, or a new one.
local function enter_lane(id, task, queue, score)
  score = score_in(id, task, queue, score)
  if task.limits then return admit(id, task, queue, score) end
  local lane = lane_of(queue, task.fn, task.app)
  call('ZADD', P .. lane, score, id)
  if call('HEXISTS', queue_key(queue), 'paused') == 0 then ring_work(lane) end
end

-- A function comes within reach of workers later than it was enqueued: its lag counts from here.
local function ready_since(id, task, moment)
  if task.fn then call('HSET', task_key(id), 'ready', moment, 'x', '1') end
end

-- Queue a task: now, or at `due`. `score` is the place it had, or nil for a new one at the tail.
local function put_in_queue(id, task, queue, score, due, now)
  if due and tonumber(due) > tonumber(now) then
    local first = call('ZRANGE', P .. 'delayed', 0, 0, 'WITHSCORES')
    call('ZADD', P .. 'delayed', due, id)
    call('HSET', task_key(id), 'due', due)
    if score then call('HSET', task_key(id), 'score', score) end
    call('HINCRBY', queue_key(queue), 'delayed', 1)
    if not first[2] or tonumber(due) < tonumber(first[2]) then ring_lane('timer', 1) end
    return
  end
  enter_lane(id, task, queue, score)
end

-- It waits for its parents; `waits:<queue>` lists those of a queue.
local function wait_for_parents(id, queue, count)
  call('HSET', task_key(id), 'x', '1', 'waits', int(count))
  call('SADD', P .. 'waits:' .. queue, id)
  call('HINCRBY', queue_key(queue), 'held', 1)
end

local function wait_no_more(id, queue)
  call('HDEL', task_key(id), 'waits')
  call('SREM', P .. 'waits:' .. queue, id)
  call('HINCRBY', queue_key(queue), 'held', -1)
end

local SET_ASIDE_KEEP = '604800000' -- ms a failed function is kept, to look at and enqueue again

-- It will not come back to wait for its parents. A parent that is a draft stayed only for those who wait for it.
local function forget_parents(id)
  for parent in string.gmatch(call('HGET', task_key(id), 'after') or '', '%S+') do
    local key = P .. 'after:' .. parent
    if call('SREM', key, id) == 1 and call('EXISTS', key) == 0 then
      local status, fn = unpack(call('HMGET', task_key(parent), 'status', 'fn'))
      call('HDEL', task_key(parent), 'parent_of')
      if fn and status == 'created' then call('PEXPIRE', task_key(parent), SET_ASIDE_KEEP) end
    end
  end
end

-- Take a queued task out of wherever it waits.
local function take_from_queue(id, task)
  local queue = task.queue
  if call('ZREM', P .. lane_of(queue, task.fn, task.app), id) == 1 then
    if task.fair then fair_dropped(task, queue) end
    if task.limits then leave_lane(id, task, queue) end
    return
  end
  if task.held then
    if task.fair then fair_dropped(task, queue) end
    return leave_held(id, task, queue)
  end
  if call('ZREM', P .. 'delayed', id) == 1 then call('HINCRBY', queue_key(queue), 'delayed', -1) end
  if task.waits then
    wait_no_more(id, queue)
    forget_parents(id)
  end
  call('HDEL', task_key(id), 'due', 'score')
end

local function wake_waiters(id, word)
  local waiters = P .. 'waiters:' .. id
  for _, client in ipairs(call('SMEMBERS', waiters)) do ring(client, word) end
  call('DEL', waiters)
end
