-- The cards of an ended attempt were seen clean: they are free again.
-- KEYS[1] meta (hash)   ARGV: host id, task id, fence
-- Touches gpus:<host_id> (hash), idle:host:<host_id> (zset), bell:<process> (list)
-- RETURNS {'freed', count}
-- @include base
local key, mark = P .. 'gpus:' .. ARGV[1], 'draining ' .. ARGV[2] .. ' ' .. ARGV[3]
local held = call('HGETALL', key)
local freed = 0
for i = 1, #held, 2 do
  if held[i + 1] == mark then freed = freed + call('HDEL', key, held[i]) end
end
if freed > 0 then ring_lane('host:' .. ARGV[1], 100) end
return { 'freed', int(freed) }
