-- Give a task to a worker that waits for one: claimed in its name by whoever enqueues it, without a turn of its own.
-- worker:<w> counts: `given` so far, `room` up to which it may grow, `taken`: how many the worker had heard of.

-- Returns true when the worker has it, and else whether one was woken to look. Only into an empty lane: nothing that
-- waits is overtaken. The fence's number tells those given from those claimed, and which they are.
local function give(lane, queue, id, task, score, now)
  local w = call('ZPOPMAX', P .. 'idle:' .. lane)[1]
  if not w then return false, 1 end
  local given, room = unpack(call('HMGET', P .. 'worker:' .. w, 'given', 'room'))
  given = tonumber(given or '0')
  if given >= tonumber(room or '0') or call('EXISTS', P .. lane) == 1 or call('HEXISTS', P .. 'beats', w) == 0 then
    ring(w)
    return false, 1
  end
  local number = int(given + 1)
  local fence = '1.g' .. number .. 'x' .. now
  call('HSET', P .. 'worker:' .. w, 'given', number)
  call('HSET', task_key(id), 'status', 'in_progress', 'fence', fence, 'holder', w)
  call('HSET', P .. 'own:' .. w, id, fence .. ' ' .. score)
  call('HINCRBY', queue_key(queue), 'running', 1)
  local options = task.options or ''
  call('RPUSH', P .. 'given:' .. w, table.concat({ number, now, #id, #fence, #queue, #task.fn, #options }, ' ')
    .. '\n' .. id .. fence .. queue .. task.fn .. options .. task.args)
  return true, 0
end
