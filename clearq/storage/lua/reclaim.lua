-- A holder is dead: mark it so, then take back what it answered for, in slices.
-- KEYS[1] meta (hash)   ARGV: now, holder, the counter that was seen unchanged ('' with proof of death), proof
-- Touches beats, own:<w>, worker:<w>, labels, t:<id>, tally (hashes), workers, lanes, lost, idle:<lane> (zsets), todo (set),
--   events, events.fn (streams)
-- RETURNS {'reclaimed', attempts it held} | {'moved', counter} | {'gone'}
-- @include base
-- @include order
-- @include limits
-- @include tasks
-- @include functions
-- @include attempts
-- @include upkeep
-- @include workers
local holder, seen = ARGV[2], ARGV[3]
local counter = call('HGET', P .. 'beats', holder)
local held = call('HLEN', P .. 'own:' .. holder)
if not counter and held == 0 then return { 'gone' } end
if counter and seen ~= '' and counter ~= seen then return { 'moved', counter } end
pass_when_full()
local now = clock(ARGV[1])
local label = call('HGET', P .. 'worker:' .. holder, 'label')
bury(now, holder)
if label then emit(now, 'worker.lost', '', '', label, '', ARGV[4]) end
if held > 0 then
  call('SADD', P .. 'todo', 'reclaim ' .. holder)
  local who = label or holder
  if reclaim_slice(now, holder, who .. ': ' .. ARGV[4]) then
    call('SREM', P .. 'todo', 'reclaim ' .. holder)
  elseif label then
    call('HSET', P .. 'worker:' .. holder, 'proof', who .. ': ' .. ARGV[4]) -- for the slices to come
  end
end
return { 'reclaimed', int(held) }
