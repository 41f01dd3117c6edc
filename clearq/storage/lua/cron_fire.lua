-- Fire a cron rule: enqueue its task for one slot and set the next slot, in one step. Any number may try.
-- KEYS[1] meta (hash)   ARGV: now, name, revision, the slot that is expected to stand in ms, the slot to run in ms
--   (the expected one, or a later one when some are passed over; '' none), the slot after it in ms, id of the task
--   (made of name and slot)
-- Touches cron (zset), cron:<name>, t:<id>, fair:<queue> (hashes), fn:<queue> / fn.<app>:<queue> / q:<queue> / changed (zset), unique:<key> (string),
--   queues, queue:<queue> (hashes), idle:<lane> (zset), bell:<process> (list), events, events.fn (streams)
-- RETURNS {'fired', next slot} | {'skipped', next slot} (no slot to run, or a task holds the rule's unique key)
--   | {'early', now} (by the server's clock the slot has not come) | {'moved', slot} (another stands there: somebody
--   was faster) | {'changed'} (the rule is defined otherwise) | {'gone'} (there is no such rule)
-- @include base
-- @include order
-- @include queues
-- @include limits
-- @include tasks
local now, name, revision, expected, slot, following, id = clock(ARGV[1]), ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local key, cron = P .. 'cron:' .. name, P .. 'cron'
local standing = call('ZSCORE', cron, name)
local flat = call('HGETALL', key)
if not standing or #flat == 0 then return { 'gone' } end
local rule, extra, given = {}, {}, {}
for i = 1, #flat, 2 do
  rule[flat[i]] = flat[i + 1]
  local field = string.match(flat[i], '^with%.(.+)$')
  if field then
    extra[field] = flat[i + 1]
    given[#given + 1] = field
    given[#given + 1] = flat[i + 1]
  end
end
if rule.revision ~= revision then return { 'changed' } end
standing = int(tonumber(standing))
if standing ~= expected or tonumber(following) <= tonumber(standing) then return { 'moved', standing } end
if tonumber(slot ~= '' and slot or expected) > tonumber(now) then return { 'early', now } end

local unique = extra.unique and P .. 'unique:' .. extra.unique
if slot == '' or unique and call('EXISTS', unique) == 1 then
  call('ZADD', cron, following, name)
  call('HSET', key, 'last', slot ~= '' and slot or expected)
  return { 'skipped', following }
end
call('ZADD', cron, following, name)
call('HSET', key, 'last', slot)
if call('EXISTS', task_key(id)) == 0 then
  local queue = find_queue(rule.queue)
  if not queue then
    queue = make_queue(now, rule.queue, rule.slug)
    if extra.fair then call('HSET', queue_key(queue), 'fair', '0') end
  end
  -- A rule that describes a task for agents makes one as `enqueue` does.
  local fn = not extra['function.name'] and rule.fn or nil
  call('HSET', task_key(id), 'queue', queue, 'enqueued', now, 'cron', name, 'slot', slot, unpack(given))
  if fn then
    call('HSET', task_key(id), 'fn', fn, 'args', rule.args, 'x', '1')
  else
    call('HSET', task_key(id), 'created', now)
    set_status(id, {}, now, 'queued', '', '')
  end
  if rule.priority then call('HSET', task_key(id), 'priority', rule.priority) end
  if unique then
    call('SET', unique, id, unpack(extra['unique.ms'] and { 'PX', extra['unique.ms'] } or {}))
  end
  local task = { fn = fn, app = fn and extra.app, priority = rule.priority, limits = extra.limits, fair = extra.fair }
  put_in_queue(id, task, queue, nil, nil, now)
  if fn then
    emit_functions(now, 'queued', { [fn] = 1 })
  else
    emit(now, 'task.queued', id, queue, '', 'queued')
  end
end
return { 'fired', following }
