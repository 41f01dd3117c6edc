-- The timer: due tasks, lost deadlines, unfinished work. The caller is parked, so that an earlier due time wakes it.
-- KEYS[1] meta (hash)   ARGV: now, process that keeps the timer
-- Touches meta (hash), idle:timer (zset), todo (set) and what upkeep touches
-- RETURNS {now, next due time in ms or '', '1' if unfinished work is left else '0'}
-- @include base
-- @include order
-- @include limits
-- @include tasks
-- @include functions
-- @include attempts
-- @include upkeep
pass_when_full()
local now = clock(ARGV[1])
call('ZREMRANGEBYSCORE', P .. 'idle:timer', '-inf', int(tonumber(now) - 60000))
call('ZADD', P .. 'idle:timer', now, ARGV[2])
-- Any process's last tick: so a clock that was set back is noticed also by a timer that begins only then.
local before = call('HGET', KEYS[1], 'ticked')
if before and tonumber(now) < tonumber(before) - 1000 and call('EXISTS', P .. 'timers') == 1 then
  call('SADD', P .. 'todo', 'retime 0')
end
call('HSET', KEYS[1], 'ticked', now)
upkeep(now)
expire_lost(now)
local due = call('ZRANGE', P .. 'delayed', 0, 0, 'WITHSCORES')[2]
local lost = call('ZRANGE', P .. 'lost', 0, 0, 'WITHSCORES')[2]
local permit = call('ZRANGE', P .. 'timers', 0, 0, 'WITHSCORES')[2]
local next_due = ''
for _, at in ipairs({ due or '', lost or '', permit or '' }) do
  if at ~= '' and (next_due == '' or tonumber(at) < tonumber(next_due)) then next_due = at end
end
return { now, next_due, int(call('SCARD', P .. 'todo')) ~= '0' and '1' or '0' }
