-- Add what a worker has counted since it told last: durations, outcomes and lags of functions, as histograms.
-- KEYS[1] meta (hash)   ARGV: now, worker id, a nonce of this batch, most fields the hash may have, then for each series:
--   kind (end or lag), outcome ('' for a lag), queue id, function ('' for a lag), count of pairs, then those pairs: bucket
--   (its number, or sum) and what to add
-- Touches tally, worker:<w> (hashes)
-- RETURNS {'added'} | {'known'} (this batch was added before). A series that would make the hash larger than it may be
--   is added to the one of that outcome with function and queue `other`
-- @include base
local w, nonce, most = ARGV[2], ARGV[3], tonumber(ARGV[4])
local worker, tally = P .. 'worker:' .. w, P .. 'tally'
local KEEP = '2592000000' -- ms (30 days) after the last worker has told

-- `function` is anybody's text, so it comes last.
local function name_of(kind, outcome, queue, fn, part)
  return kind .. ' ' .. outcome .. ' ' .. queue .. ' ' .. part .. ' ' .. fn
end

if call('HGET', worker, 'tally') == nonce then return { 'known' } end
if call('EXISTS', worker) == 1 then call('HSET', worker, 'tally', nonce) end
local i = 5
while i <= #ARGV do
  local kind, outcome, queue, fn, pairs_left = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4])
  i = i + 5
  if call('HEXISTS', tally, name_of(kind, outcome, queue, fn, 'sum')) == 0 and call('HLEN', tally) >= most then
    queue = 'other'
    if kind == 'end' then fn = 'other' end
  end
  for at = i, i + 2 * pairs_left - 1, 2 do
    call('HINCRBY', tally, name_of(kind, outcome, queue, fn, ARGV[at]), ARGV[at + 1])
  end
  i = i + 2 * pairs_left
end
call('PEXPIRE', tally, KEEP)
return { 'added' }
