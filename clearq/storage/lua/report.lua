-- Append scalar values to a task's metrics and keep each one's summary.
-- KEYS[1] meta (hash)   ARGV: now, id, fence ('' none), sequence number ('0' none), most points a metric, then for
--   each point: metric key, iteration ('' for a single value), value, time in ms ('' now)
-- Touches scalar:<id>:<metric> (stream), scalars:<id>, t:<id> (hashes)
-- RETURNS {'ok'} | {'again'} (that number was there before) | {'stale'} | {'missing'}
-- @include base
-- @include order
-- @include limits
-- @include tasks
local id, fence, seq = ARGV[2], ARGV[3], tonumber(ARGV[4])
local status, held, last, iteration = unpack(call('HMGET', task_key(id), 'status', 'fence', 'metrics.seq', 'last_iteration'))
if not status then return { 'missing' } end
if fence ~= '' and (held ~= fence or status == 'queued') then return { 'stale' } end
if seq > 0 and seq <= tonumber(last or '0') then return { 'again' } end
local now = clock(ARGV[1])
if seq > 0 then call('HSET', task_key(id), 'metrics.seq', ARGV[4]) end
local highest = tonumber(iteration or '-1')
local summaries = {}
for i = 6, #ARGV, 4 do
  local metric, step, value = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local at = ARGV[i + 3] ~= '' and ARGV[i + 3] or now
  local summary = summaries[metric]
  if not summary then
    -- last min max iteration count
    summary = {}
    for word in string.gmatch(call('HGET', P .. 'scalars:' .. id, metric) or '', '%S+') do
      summary[#summary + 1] = word
    end
    summaries[metric] = summary
  end
  local number = tonumber(value) or 0
  if #summary == 0 then
    summary[1], summary[2], summary[3], summary[4], summary[5] = value, value, value, step ~= '' and step or '-', '0'
  end
  summary[1] = value
  -- Any number is less and greater than NaN.
  local least, greatest = tonumber(summary[2]) or 0, tonumber(summary[3]) or 0
  if number < least or least ~= least then summary[2] = value end
  if number > greatest or greatest ~= greatest then summary[3] = value end
  if step ~= '' then
    summary[4] = step
    if tonumber(step) > highest then highest = tonumber(step) end
    call('XADD', P .. 'scalar:' .. id .. ':' .. metric, 'MAXLEN', '~', ARGV[5], '*', 'i', step, 'v', value, 'at', at)
  end
  summary[5] = int(tonumber(summary[5]) + 1)
end
for metric, summary in pairs(summaries) do
  call('HSET', P .. 'scalars:' .. id, metric, table.concat(summary, ' '))
end
if highest >= 0 then call('HSET', task_key(id), 'last_iteration', int(highest)) end
return { 'ok' }
