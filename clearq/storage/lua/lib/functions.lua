-- What follows the end of a task, whichever script ends it: its unique key, its dependants, its lifetime.

local DEFAULT_KEEP = '3600000' -- ms a function's result is kept
local SHORTEST_KEEP = 60000 -- a resent enqueue finds at least the id

-- How long an ended function is kept (ms), from what was asked for.
local function keep_for(asked)
  if not asked then return DEFAULT_KEEP end
  return int(math.max(tonumber(asked), SHORTEST_KEEP))
end

-- An ended task does not stay for ever: a function expires by itself, one that agents ran is deleted with its outputs.
local function expire(id, task, now, status)
  local left = status == 'failed' and SET_ASIDE_KEEP or keep_for(task.keep)
  if task.fn then
    call('PEXPIRE', task_key(id), left)
  elseif task.keep then
    call('ZADD', P .. 'kept', int(tonumber(now) + tonumber(left)), id)
  end
end

local function free_unique(id, key, mode)
  if not key or mode == 'time' then return end
  local holder = P .. 'unique:' .. key
  if call('GET', holder) == id then call('DEL', holder) end
end

-- A parent has ended: dependants that waited for it alone go on, or get what their rule says.
-- More than 200 are carried on through `todo`.
local function release_dependants(id, status, now)
  local why = 'a task it waits for ' .. (status == 'deleted' and 'was deleted' or status)
  local key = P .. 'after:' .. id
  for _, child in ipairs(call('SPOP', key, 200)) do
    local task = read_state(child)
    if task and task.status == 'queued' and task.waits then
      local left = call('HINCRBY', task_key(child), 'waits', -1)
      local good = status == 'completed' or task['after.rule'] == 'run'
      if not good and task['after.rule'] ~= 'any' or (not good and left <= 0) then
        wait_no_more(child, task.queue)
        set_status(child, task, now, 'failed', why, id)
        call('HSET', task_key(child), 'ended', now)
        expire(child, task, now, 'failed')
        wake_waiters(child)
        free_unique(child, task.unique, task['unique.mode'])
        call('ZADD', P .. 'dead', now, child)
        emit(now, 'task.failed', child, task.queue, '', 'failed', why)
        if call('EXISTS', P .. 'after:' .. child) == 1 then call('SADD', P .. 'todo', 'after failed ' .. child) end
      elseif left <= 0 or (good and task['after.rule'] == 'any') then
        wait_no_more(child, task.queue)
        ready_since(child, task, now)
        put_in_queue(child, task, task.queue, nil, task.due, now)
      end
    end
  end
  if call('EXISTS', key) == 1 then
    call('SADD', P .. 'todo', 'after ' .. status .. ' ' .. id)
    return false
  end
  return true
end

-- A task out of its queue is a draft again. A function's draft is in no listing: it does not stay for ever, unless
-- others wait for it. With `quiet` the caller tells of it.
local function draft_again(id, task, now, reason, quiet)
  take_from_queue(id, task)
  free_unique(id, task.unique, task['unique.mode'])
  call('HDEL', task_key(id), 'request')
  set_status(id, task, now, 'created', reason, '')
  if task.fn and not task.parent_of then call('PEXPIRE', task_key(id), SET_ASIDE_KEEP) end
  if not quiet then emit(now, 'task.dequeued', id, task.queue, '', 'created', reason) end
end

-- Everything that an end brings about beyond the task itself.
local function settle(id, task, now, status)
  free_unique(id, task.unique, task['unique.mode'])
  if task.parent_of then release_dependants(id, status, now) end
  expire(id, task, now, status)
end
