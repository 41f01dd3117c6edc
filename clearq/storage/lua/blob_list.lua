-- Say that blobs are about to be stored, or ask for a look at stored ones. A blob is listed before its first byte is
-- written and until its last is gone, so that none is ever forgotten.
-- KEYS[1] meta (hash)   ARGV: now, 'new' or 'soon' (only those listed, never later than now), ms until the look, then
--   blobs: task, name and place ('r': chunks here, 's': a file in the artifact store), separated by spaces
-- Touches blobs (zset)
-- RETURNS {'listed'}
-- @include base
local look = int(tonumber(clock(ARGV[1])) + tonumber(ARGV[3]))
for i = 4, #ARGV do
  if ARGV[2] == 'new' then
    call('ZADD', P .. 'blobs', look, ARGV[i])
  else
    call('ZADD', P .. 'blobs', 'XX', 'LT', look, ARGV[i])
  end
end
return { 'listed' }
