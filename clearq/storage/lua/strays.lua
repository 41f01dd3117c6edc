-- What a holder answers for, and how many tasks were given to it: asked when a word of them may have been lost.
-- What is still to be read of them is thrown away: all of it is in the answer.
-- KEYS[1] meta (hash)   ARGV: holder
-- Touches own:<w>, worker:<w> (hashes), given:<w> (list)
-- RETURNS {count of those given so far, own:<w> as a flat list}
-- @include base
local w = ARGV[1]
pass_when_full()
call('DEL', P .. 'given:' .. w)
return { call('HGET', P .. 'worker:' .. w, 'given') or '0', call('HGETALL', P .. 'own:' .. w) }
