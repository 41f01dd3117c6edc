-- One key of a limit, counted in one look: for `clearq doctor`, which has found something odd in looks that were not.
-- KEYS[1] meta (hash)   ARGV: queue id, limit key, count of held tasks that may keep permits, their ids, then key names
--   after the tag: own:<holder> of those that are thought dead (the living are found). Instead of the count '': all of
--   the queue's held tasks are looked at, unless they and the keys are more than 5,000 (about 10 ms)
-- Reads beats, queue:<queue>, permits:<queue>, t:<id>, own:<holder> (hashes), limit.lane:*, limit.held:*, lost, timers (zsets),
--   todo (set); writes nothing
-- RETURNS {permits taken, size or '', '1' if it is still to be looked at, tasks held, and those that have a permit:
--   tasks in a lane, running, held that keep it, timers of a rate}
--   | {'many'}: give those that may keep permits
-- @include base
-- @include order
-- @include limits
local MOST = 5000
local queue, key, count = ARGV[1], ARGV[2], tonumber(ARGV[3]) or 0

local function has(id, field)
  local task = call('HMGET', task_key(id), 'queue', field, 'spent', 'limits', 'held')
  if task[1] ~= queue or not key_set(task[2] or nil)[key] then return false end
  if field == 'kept' then return task[5] and true or false end
  return not key_set(task[3] or nil)[key]
end

local kept, running, timed = 0, 0, 0
for i = 4, 3 + count do
  if has(ARGV[i], 'kept') then kept = kept + 1 end
end
if ARGV[3] == '' then
  local waiting = tonumber(call('HGET', queue_key(queue), 'held') or '0')
  if waiting + call('HLEN', permits_of(queue)) > MOST then return { 'many' } end
  for _, other in ipairs(call('HKEYS', permits_of(queue))) do
    for _, id in ipairs(call('ZRANGE', held_on(queue, other), 0, -1)) do
      if has(id, 'kept') then kept = kept + 1 end
    end
  end
end
local holders = {}
for i = 4 + count, #ARGV do holders[ARGV[i]] = true end
for _, holder in ipairs(call('HKEYS', P .. 'beats')) do holders['own:' .. holder] = true end
for own in pairs(holders) do
  for _, id in ipairs(call('HKEYS', P .. own)) do
    if has(id, 'limits') then running = running + 1 end
  end
end
for _, id in ipairs(call('ZRANGE', P .. 'lost', 0, -1)) do
  if has(id, 'limits') then running = running + 1 end
end
for _, member in ipairs(call('ZRANGE', P .. 'timers', 0, -1)) do
  local of, name = string.match(member, '^permit (%S+) %S+ (%S+)$')
  if of == queue and name == key then timed = timed + 1 end
end

local name = string.match(key, '^[^:]*')
local later = call('SISMEMBER', P .. 'todo', 'limit ' .. queue .. ' ' .. key)
if call('HEXISTS', queue_key(queue), 'clearing') == 1 then later = 1 end
local sizing = 'resize ' .. queue .. ' ' .. name .. ' '
for _, item in ipairs(call('SMEMBERS', P .. 'todo')) do
  if string.sub(item, 1, #sizing) == sizing then later = 1 end
end
local size = size_of(queue, key)
return { call('HGET', permits_of(queue), key) or '0', size and int(size) or '', later == 1 and '1' or '',
  call('ZCARD', held_on(queue, key)), call('ZCARD', lane_on(queue, key)), running, kept, timed }
