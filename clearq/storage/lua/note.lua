-- Write or delete fields beside the description of a task, only while it is there: nothing may bring a deleted one back.
-- KEYS[1] meta (hash)   ARGV: id, count of fields to delete, those fields, then field and value pairs to set
-- Touches t:<id> (hash)
-- RETURNS {'noted'} | {'missing'}
-- @include base
local key = task_key(ARGV[1])
if call('EXISTS', key) == 0 then return { 'missing' } end
local deletions = tonumber(ARGV[2])
for i = 3, 2 + deletions do call('HDEL', key, ARGV[i]) end
for i = 3 + deletions, #ARGV, 2 do call('HSET', key, ARGV[i], ARGV[i + 1]) end
return { 'noted' }
