-- Look at blobs whose time has come. One that nothing refers to any more goes: chunks at once; files are the caller's
-- to delete, who then takes them out of blobs.dead. Nothing can refer to it again, for every upload has its own name.
-- KEYS[1] meta (hash)   ARGV: now, how many at most, ms until the next look at one that stays, ms after which a file
--   is named again whose deleter never came back
-- Touches blobs, blobs.dead (zsets), chunks:<task>, chunk:<task>:<blob> (hashes)
-- RETURNS {'swept', count of those looked at, files to delete...}
-- @include base
-- @include blobs
local now, most, stay, again = clock(ARGV[1]), ARGV[2], tonumber(ARGV[3]), int(tonumber(clock(ARGV[1])) + ARGV[4])

-- Is it still referred to, or going to be?
local function is_used(id, blob)
  local key = task_key(id)
  local kind, word = string.match(blob, '^(%a+)%.(.+)$')
  if kind == 'artifact' then return call('EXISTS', key) == 1 end
  local held = call('HGET', key, kind) or call('HGET', key, 'function.' .. kind) -- a function that agents run
  if held and string.find(held, blob, 1, true) then return true end
  if kind ~= 'result' then return false end
  local status, fence = unpack(call('HMGET', key, 'status', 'fence'))
  return status == 'in_progress' and fence == word
end

pass_when_full()
local answer = call('ZRANGEBYSCORE', P .. 'blobs.dead', '-inf', now, 'LIMIT', 0, most)
for _, blob in ipairs(answer) do call('ZADD', P .. 'blobs.dead', again, blob) end
local due = call('ZRANGEBYSCORE', P .. 'blobs', '-inf', now, 'LIMIT', 0, most)
for _, entry in ipairs(due) do
  local id, blob, place = string.match(entry, '^(%S+) (%S+) (%S+)$')
  if is_used(id, blob) then
    local left = call('PTTL', task_key(id))
    call('ZADD', P .. 'blobs', int(now + (left > 0 and math.min(left + 1000, stay) or stay)), entry)
  else
    call('ZREM', P .. 'blobs', entry)
    if place == 'r' then
      forget_chunks(id, blob)
    else
      call('ZADD', P .. 'blobs.dead', again, entry)
      answer[#answer + 1] = entry
    end
  end
end
return { 'swept', int(#due), unpack(answer) }
