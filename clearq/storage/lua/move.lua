-- Give a waiting task another place. Its priority stays; only its score changes.
-- KEYS[1] meta (hash)   ARGV: now, queue name or id, task id, how (front back up down to before after), number or
--   anchor task id, request
-- Touches lanes (zsets), t:<id>, queue:<queue> (hashes), events (stream)
-- RETURNS {'moved', index from the head, or '' for a delayed task} (also for the same request again) | {'no_queue'}
--   | {'missing'} | {'elsewhere', status, queue id} | {'anchor'} (the anchor does not wait in this queue)
-- @include base
-- @include order
-- @include queues
-- @include limits
-- @include tasks
-- @include move
local queue, id, how, argument, request = find_queue(ARGV[2]), ARGV[3], ARGV[4], ARGV[5], ARGV[6]
if not queue then return { 'no_queue' } end
local task = read_state(id)
if not task then return { 'missing' } end
if task.status ~= 'queued' or task.queue ~= queue then return { 'elsewhere', task.status, task.queue or '' } end
local lanes = lanes_of(queue)
local own_lane = P .. lane_of(queue, task.fn, task.app)
local score = call('ZSCORE', own_lane, id)
if call('HGET', task_key(id), 'moved') == request then
  return { 'moved', score and int(rank(lanes, score)) or '' }
end
local anchor
if how == 'before' or how == 'after' then
  anchor = score_of(lanes, argument)
  if not anchor or argument == id then return { 'anchor' } end
end
local now = clock(ARGV[1])
local index = score and rank(lanes, score) or nil
local limited = task.limits and (score or task.held)
if score then call('ZREM', own_lane, id) end
local target
if how == 'front' then
  target = front_score(lanes, queue)
elseif how == 'back' then
  target = back_score(lanes, queue, tonumber(task.priority or '0'))
elseif how == 'before' then
  target = score_before(lanes, queue, anchor)
elseif how == 'after' then
  target = score_after(lanes, queue, anchor)
else
  local others = total(lanes)
  local from, to = index or others, tonumber(argument)
  if how == 'up' then to = from - to elseif how == 'down' then to = from + to end
  to = math.max(0, math.min(to, others))
  if to == from then
    target = score or int(band_end(lanes, queue, 1000 - tonumber(task.priority or '0')))
  elseif to < from then
    local _, next_score = at_index(lanes, to)
    target = score_before(lanes, queue, next_score)
  else
    local _, previous_score = at_index(lanes, to - 1)
    target = score_after(lanes, queue, previous_score)
  end
end
call('HSET', task_key(id), 'moved', request)
if limited then
  -- It gives its permits back and comes anew: there may be better ones now, or worse ones to take their place.
  if score then leave_lane(id, task, queue) else leave_held(id, task, queue) end
  task.held, task.kept = nil, nil
  admit(id, task, queue, target)
elseif score then
  call('ZADD', own_lane, target, id)
else
  call('HSET', task_key(id), 'score', target)
end
call('HINCRBY', queue_key(queue), 'rev', 1)
emit(now, 'task.moved', id, queue, '', 'queued')
if score and not limited and call('HEXISTS', queue_key(queue), 'paused') == 0 then ring_work(string.sub(own_lane, #P + 1)) end
return { 'moved', score and int(rank(lanes, target)) or '' }
