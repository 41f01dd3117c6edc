-- Store one chunk of a blob of a task, unless all blobs of that task would then be larger than they may be.
-- KEYS[1] meta (hash)   ARGV: task, blob, number of the chunk, its bytes, bytes that the task may have
-- Touches chunks:<task>, chunk:<task>:<blob> (hashes)
-- RETURNS {'put'} | {'full', bytes that the task has}
-- @include base
local chunks, key = P .. 'chunks:' .. ARGV[1], P .. 'chunk:' .. ARGV[1] .. ':' .. ARGV[2]
local more = #ARGV[4] - call('HSTRLEN', key, ARGV[3])
local used = 0
for _, size in ipairs(call('HVALS', chunks)) do used = used + tonumber(size) end
if more > 0 and used + more > tonumber(ARGV[5]) then return { 'full', int(used) } end
call('HSET', key, ARGV[3], ARGV[4])
call('HINCRBY', chunks, ARGV[2], int(more))
return { 'put' }
