-- Give one attempt of a task to a worker. The caller has taken the task out of its lane.
local function begin_attempt(now, id, task, w, nonce, score)
  local fence = next_fence(task.fence, nonce)
  if not task.fn then call('HINCRBY', task_key(id), 'claims', 1) end
  local label = call('HGET', P .. 'worker:' .. w, 'label') or ''
  write_own(w, id, fence, score)
  call('HSET', task_key(id), 'fence', fence, 'holder', w, 'worker', label, 'stage', 'claimed', 'started', now)
  call('HDEL', task_key(id), 'exit_code', 'ended', 'stop', 'log.seq', 'metrics.seq', 'progress', 'progress.text')
  set_status(id, task, now, 'in_progress', '', '')
  if task.queue and task.queue ~= '' then call('HINCRBY', queue_key(task.queue), 'running', 1) end
  if task.fair and task.queue then fair_picked(task, score) end
  if task.limits and task.queue then claim_permits(id, task, task.queue, now, fence) end
  emit(now, 'task.claimed', id, task.queue, label, 'in_progress')
  return fence
end
