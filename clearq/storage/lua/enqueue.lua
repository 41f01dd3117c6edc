-- Put a task into a queue; with fields, make it first (one step, so a task is never half there).
-- KEYS[1] meta (hash)   ARGV: now, id, queue name or id, priority ('' keeps it), delay in ms ('' none),
--   due in ms since the epoch ('' none), request, flags (c create the queue, f force, n new task), slug for a
--   new queue, idempotency key ('' none), its lifetime in ms ('' until the field `unique` frees it), then field and
--   value of a new task (also unique, unique.mode, after, after.rule, fair, keep, limits as in enqueue_many, and as the
--   last one sizes)
-- Touches t:<id>, fair:<queue>, permits:<queue> (hashes), limit.held:*, limit.lane:*, q:<queue> / fn:<queue> / delayed (zset), unique:<key> (string), after:<id> (set), changed (zset),
--   idle:<lane> (zset), bell:<process> (list), queue:<queue> (hash), events (stream)
-- RETURNS {'queued', id, queue id, status_changed in ms} (also for the same request again)
--   | {'duplicate', id that holds the key, queue id} | {'no_queue'} | {'not_fair', queue} | {'no_parent', id} | {'missing'} | {'exists', status}
--   | {'conflict', status} | {'no_args', status} (a completed function)
-- @include base
-- @include order
-- @include queues
-- @include limits
-- @include tasks
-- @include parents
local id, request, flags, unique = ARGV[2], ARGV[7], ARGV[8], ARGV[10]
local fresh, force = string.find(flags, 'n') ~= nil, string.find(flags, 'f') ~= nil
local task = read_state(id)
if task and task.request == request then
  return { 'queued', id, task.queue or '', call('HGET', task_key(id), 'status_changed') or '0' }
end
if fresh and task then return { 'exists', task.status } end
if not fresh and not task then return { 'missing' } end
local sizes
if #ARGV > 12 and ARGV[#ARGV - 1] == 'sizes' then
  sizes = table.remove(ARGV)
  table.remove(ARGV)
end
local queue = find_queue(ARGV[3])
if not queue and not string.find(flags, 'c') then return { 'no_queue' } end
local after, rule, fair
for i = 12, #ARGV, 2 do
  if ARGV[i] == 'after' then after = ARGV[i + 1] elseif ARGV[i] == 'after.rule' then rule = ARGV[i + 1] elseif ARGV[i] == 'fair' then fair = true end
end
if fair and not takes_turns(ARGV[3]) then return { 'not_fair', ARGV[3] } end
local nobody = after and unknown_parent(after)
if nobody then return { 'no_parent', nobody } end
if unique ~= '' then
  local holder = call('GET', P .. 'unique:' .. unique)
  -- A deleted task holds nothing.
  if holder and holder ~= id and call('EXISTS', task_key(holder)) == 1 then
    return { 'duplicate', holder, queue or '' }
  end
end
if task and gave_up_args(id, task) then return { 'no_args', task.status } end
if task and task.status ~= 'created' then
  local running = task.status == 'queued' or task.status == 'in_progress' or task.status == 'published'
  if running or not (force or may_follow(task.status, 'queued')) then return { 'conflict', task.status } end
end
local now = clock(ARGV[1])
if not queue then
  queue = make_queue(now, ARGV[3], ARGV[9])
  if fair then call('HSET', queue_key(queue), 'fair', '0') end
end
if sizes then declare_sizes(now, queue, sizes, false) end
if unique ~= '' and ARGV[11] == '' then
  call('SET', P .. 'unique:' .. unique, id)
elseif unique ~= '' then
  call('SET', P .. 'unique:' .. unique, id, 'PX', ARGV[11])
end
if fresh then
  call('HSET', task_key(id), 'created', now)
  set_fields(task_key(id), ARGV, 12)
  task = read_state(id)
end
if ARGV[4] ~= '' then task.priority = ARGV[4] end
-- A first write that needs memory: with a full server the whole enqueue is refused.
call('HSET', task_key(id), 'request', request, 'queue', queue, 'enqueued', now, 'priority', task.priority or '0')
if not fresh then
  call('HDEL', task_key(id), 'ended', 'exit_code', 'failures', 'losses', 'releases', 'manual', 'process', 'archived',
    'stop', 'error')
  call('PERSIST', task_key(id)) -- an ended function had a lifetime; a waiting one has none
end
local due = ARGV[6] ~= '' and ARGV[6] or nil
if ARGV[5] ~= '' then due = int(tonumber(now) + tonumber(ARGV[5])) end
call('ZREM', P .. 'dead', id)
set_status(id, task, now, 'queued', '', '')
task.score = nil
if not (after and hold_for_parents(id, after, rule, queue, due)) then put_in_queue(id, task, queue, nil, due, now) end
emit(now, 'task.queued', id, queue, '', 'queued')
return { 'queued', id, queue, now }
