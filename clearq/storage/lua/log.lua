-- Append console output to a task's log.
-- KEYS[1] meta (hash)   ARGV: id, fence ('' none), sequence number ('0' none), longest stream, then for each entry:
--   time in ms, stream, text
-- Touches log:<id> (stream), t:<id> (hash)
-- RETURNS {'ok'} | {'again'} (that number was there before) | {'stale'} | {'missing'}
-- @include base
-- @include order
-- @include limits
-- @include tasks
local id, fence, seq = ARGV[1], ARGV[2], tonumber(ARGV[3])
local status, held, last = unpack(call('HMGET', task_key(id), 'status', 'fence', 'log.seq'))
if not status then return { 'missing' } end
if fence ~= '' and (held ~= fence or status == 'queued') then return { 'stale' } end
if seq > 0 and seq <= tonumber(last or '0') then return { 'again' } end
if seq > 0 then call('HSET', task_key(id), 'log.seq', ARGV[3]) end
for i = 5, #ARGV, 3 do
  call('XADD', P .. 'log:' .. id, 'MAXLEN', '~', ARGV[4], '*', 'at', ARGV[i], 'stream', ARGV[i + 1], 'text', ARGV[i + 2])
end
return { 'ok' }
