-- Attempts: who answers for one, and how it ends.

-- own:<holder>[id] = "fence score" or "fence score stop"
local function read_own(holder, id)
  local entry = call('HGET', P .. 'own:' .. holder, id)
  if not entry then return nil end
  local fence, score, stop = string.match(entry, '^(%S+) (%S+) ?(%S*)$')
  return { fence = fence, score = score, stop = stop ~= '' }
end

local function write_own(holder, id, fence, score, stop)
  call('HSET', P .. 'own:' .. holder, id, fence .. ' ' .. score .. (stop and ' stop' or ''))
end

-- Is this attempt's fence valid? Answers `held`, `lost` (its holder was silent, yet nobody else has it),
-- `again` (this very fence has ended the attempt before) or `stale`.
local function check_fence(id, task, fence)
  if not task or task.fence ~= fence then return 'stale' end
  if task.status ~= 'in_progress' then return 'again' end
  if task.stage == 'lost' then return 'lost' end
  if not task.holder then return 'stale' end
  if call('HEXISTS', P .. 'beats', task.holder) == 0 then return 'stale' end
  local own = read_own(task.holder, id)
  if own and own.fence == fence then return 'held', own end
  return 'stale'
end

-- The fence that follows another: a counter that grows and a word that no other claim uses.
local function next_fence(fence, nonce)
  return int(tonumber(string.match(fence or '0', '^%d+')) + 1) .. '.' .. nonce
end

-- The attempt's cards: free at once (nothing ever ran on them) or `draining` until a probe has seen them clean.
local function give_back_gpus(id, task, fence, draining)
  if not task.gpus_held or task.gpus_held == '' then return end
  local key = P .. 'gpus:' .. task.host_id
  for uuid in string.gmatch(task.gpus_held, '%S+') do
    if call('HGET', key, uuid) == id .. ' ' .. fence then
      if draining then
        call('HSET', key, uuid, 'draining ' .. id .. ' ' .. fence)
      else
        call('HDEL', key, uuid)
      end
    end
  end
  ring_lane('host:' .. task.host_id, 100)
end

-- End of a holder's answering for one attempt. A supervisor that answers for nothing is no holder any more.
-- Returns the order score that the attempt's task had.
local function let_go(id, task)
  local score
  if task.stage == 'lost' then
    call('ZREM', P .. 'lost', id)
    score = task.score
  elseif task.holder then
    local own = read_own(task.holder, id)
    score = own and own.score
    call('HDEL', P .. 'own:' .. task.holder, id)
    if not call('ZSCORE', P .. 'workers', task.holder) and call('EXISTS', P .. 'own:' .. task.holder) == 0 then
      call('HDEL', P .. 'beats', task.holder)
      call('DEL', P .. 'bell:' .. task.holder)
    end
  end
  if task.queue and task.queue ~= '' and not task.manual then
    call('HINCRBY', queue_key(task.queue), 'running', -1)
  end
  if task.limits and not task.manual and (task.queue or '') ~= '' then
    leave_running(id, task, task.queue)
    pump()
  end
  if score == '-' then return nil end
  return score
end

-- Tasks set aside, to look at and enqueue again; the oldest entries give way.
local function set_aside(id, now)
  call('ZADD', P .. 'dead', now, id)
  call('ZREMRANGEBYRANK', P .. 'dead', 0, -10001)
end

local GONE = { 'stage', 'holder', 'gpus_held', 'due', 'score', 'stop' }

-- The attempt is over and the task has come to an end. One that was stopped ends for the reason that was given then;
-- what its attempt says of itself is the message.
local function end_task(id, task, now, status, reason, message, exit_code)
  if status == 'stopped' and (task.stop or '1') ~= '1' then
    message = (message or '') == '' and reason or reason .. '; ' .. message
    reason = task.stop
  end
  let_go(id, task)
  give_back_gpus(id, task, task.fence, task.stage ~= 'claimed')
  call('HDEL', task_key(id), unpack(GONE))
  set_status(id, task, now, status, reason, message)
  call('HSET', task_key(id), 'ended', now)
  if exit_code and exit_code ~= '' then call('HSET', task_key(id), 'exit_code', exit_code) end
  wake_waiters(id)
  settle(id, task, now, status)
  emit(now, 'task.' .. status, id, task.queue, task.worker, status, reason)
end

-- The attempt is over and the task waits again: at its old place, or at `due`.
local function requeue(id, task, now, reason, message, due, event)
  local score = let_go(id, task)
  give_back_gpus(id, task, task.fence, task.stage ~= 'claimed')
  call('HDEL', task_key(id), unpack(GONE))
  set_status(id, task, now, 'queued', reason, message)
  ready_since(id, task, now)
  put_in_queue(id, task, task.queue, score, due, now)
  emit(now, event, id, task.queue, task.worker, 'queued', reason)
end

local function queue_exists(queue)
  return queue and queue ~= '' and call('EXISTS', queue_key(queue)) == 1
end

-- Loss of infrastructure: not the task's fault, and its own budget. Returns the status that follows.
local function lose(id, task, now, proof)
  local losses = tonumber(task.losses or '0') + 1
  local budget = tonumber(task['limits.losses'] or DEFAULT_LOSSES)
  call('HSET', task_key(id), 'losses', int(losses))
  if task.fn then call('HSET', task_key(id), 'x', '1') end -- else the next claim would not read it
  if task.stop or (task.stage ~= 'lost' and task.holder and (read_own(task.holder, id) or {}).stop) then
    end_task(id, task, now, 'stopped', 'stopped; its worker was lost before it could say so', proof)
    return 'stopped'
  end
  if task.manual then
    end_task(id, task, now, 'stopped', 'its process is gone', proof)
    return 'stopped'
  end
  if losses > budget or not queue_exists(task.queue) then
    end_task(id, task, now, 'failed', 'lost with its worker', proof)
    set_aside(id, now)
    return 'failed'
  end
  requeue(id, task, now, 'lost with its worker, runs again', proof, nil, 'task.reclaimed')
  return 'queued'
end
