-- A worker ends in good order. It must answer for nothing any more.
-- KEYS[1] meta (hash)   ARGV: now, worker id
-- Touches workers (zset), worker:<w>, beats, labels (hashes), idle:<lane> (zset), bell:<w> (list), events (stream)
-- RETURNS {'gone'} | {'busy', count of attempts it still answers for}
-- @include base
-- @include workers
local w = ARGV[2]
local busy = call('HLEN', P .. 'own:' .. w)
if busy > 0 then return { 'busy', int(busy) } end
pass_when_full()
local now = clock(ARGV[1])
local known = call('HGET', P .. 'worker:' .. w, 'label')
bury(now, w)
if known then emit(now, 'worker.unregistered', '', '', known) end
return { 'gone' }
