-- Prepare a namespace: schema number and the queues that every server has.
-- KEYS[1] meta (hash)   ARGV: now, schema, then name and slug of each built-in queue
-- Touches queues (hash), queue:<queue> (hash), events (stream)
-- RETURNS {'ok', schema} | {'schema', schema found}
-- @include base
-- @include queues
local now = clock(ARGV[1])
local schema = call('HGET', KEYS[1], 'schema')
if schema then
  if schema ~= ARGV[2] then return { 'schema', schema } end
  return { 'ok', schema }
end
call('HSET', KEYS[1], 'schema', ARGV[2], 'created', now)
for i = 3, #ARGV, 2 do make_queue(now, ARGV[i], ARGV[i + 1]) end
return { 'ok', ARGV[2] }
