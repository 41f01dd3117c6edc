-- Read one chunk of a blob; writes nothing.
-- KEYS[1] meta (hash)   ARGV: task, blob, number of the chunk
-- RETURNS {'chunk', its bytes} | {'missing'} (behind the last, or no such blob)
-- @include base
local chunk = call('HGET', P .. 'chunk:' .. ARGV[1] .. ':' .. ARGV[2], ARGV[3])
if not chunk then return { 'missing' } end
return { 'chunk', chunk }
