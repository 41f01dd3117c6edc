-- A worker begins: it may claim from now on.
-- KEYS[1] meta (hash)   ARGV: now, worker id, label, lanes (space-separated), then field and value pairs
-- Touches workers (zset), worker:<w>, beats, labels (hashes), events (stream)
-- RETURNS {'registered'} | {'taken', worker id that carries the label}
-- @include base
local w, label = ARGV[2], ARGV[3]
local other = call('HGET', P .. 'labels', label)
if other and other ~= w and call('HEXISTS', P .. 'beats', other) == 1 then return { 'taken', other } end
pass_when_full()
local now = clock(ARGV[1])
call('HSET', P .. 'labels', label, w)
call('HSET', P .. 'worker:' .. w, 'label', label, 'lanes', ARGV[4], 'started', now, unpack(ARGV, 5))
call('PERSIST', P .. 'worker:' .. w)
call('HSET', P .. 'beats', w, '1')
call('ZADD', P .. 'workers', now, w)
emit(now, 'worker.registered', '', '', label)
return { 'registered' }
