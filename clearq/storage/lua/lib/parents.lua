-- A new task that runs after others: it waits, in no lane, until they have ended.

-- The first of its parents (ids, space-separated) that does not exist, or nil.
local function unknown_parent(after)
  for parent in string.gmatch(after, '%S+') do
    if call('EXISTS', task_key(parent)) == 0 then return parent end
  end
end

-- How many of its parents have not ended (the task is registered with those), and whether its rule is broken already.
local function count_parents(id, after, rule)
  local left, bad = 0, false
  for parent in string.gmatch(after, '%S+') do
    local status = call('HGET', task_key(parent), 'status') or 'queued'
    if status == 'queued' or status == 'in_progress' or status == 'created' then
      call('SADD', P .. 'after:' .. parent, id)
      call('HSET', task_key(parent), 'parent_of', '1', 'x', '1')
      left = left + 1
    elseif status ~= 'completed' and rule ~= 'run' then
      bad = true
    elseif rule == 'any' then
      return 0, false
    end
  end
  return left, bad and (rule ~= 'any' or left == 0)
end

-- Does it have to wait? Then it does, from here on.
local function hold_for_parents(id, after, rule, queue, due)
  local left, bad = count_parents(id, after, rule)
  if left == 0 and not bad then return false end
  wait_for_parents(id, queue, left + (bad and 1 or 0))
  if due then call('HSET', task_key(id), 'due', due) end
  if bad then
    -- A parent has failed already: the rule is applied by the next upkeep, like any other end.
    call('SADD', P .. 'after:' .. id .. ':failed', id)
    call('SADD', P .. 'todo', 'after failed ' .. id .. ':failed')
  end
  return true
end
