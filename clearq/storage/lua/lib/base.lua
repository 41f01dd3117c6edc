-- What every script starts with. KEYS[1] is always `{namespace}:meta`; all other keys carry the same tag.
local call = redis.call
local P = string.sub(KEYS[1], 1, -5)

-- An integer below 2^53 as text: Lua's own conversion keeps only 14 digits.
local function int(number)
  return string.format('%.0f', number)
end

-- `now` in milliseconds: as given (tests), or the server's.
local function clock(given)
  if given and given ~= '' then return given end
  local time = call('TIME')
  return int(time[1] * 1000 + math.floor(time[2] / 1000))
end

local function task_key(id) return P .. 't:' .. id end
local function queue_key(queue) return P .. 'queue:' .. queue end

-- First write of every script that must pass when the server's memory is full: one that needs no memory
-- opens the way for all that follow.
local function pass_when_full()
  call('HDEL', P .. 'beats', '')
end

-- HSET of many pairs; Lua hands at most a few thousand values to one call.
local function set_fields(key, values, from)
  for i = from, #values, 1000 do
    call('HSET', key, unpack(values, i, math.min(i + 999, #values)))
  end
end

local function emit(now, name, id, queue, worker, status, reason)
  call('XADD', P .. 'events', 'MAXLEN', '~', EVENT_ENTRIES, '*', 'at', now, 'name', name, 'task', id or '',
    'queue', queue or '', 'worker', worker or '', 'status', status or '', 'reason', reason or '')
end

-- What leaves nothing behind by which a repeat after a lost reply could be recognised is noted, for a minute.
local function note_done(request, id)
  if (request or '') ~= '' then call('SET', P .. 'done:' .. request, id, 'PX', 60000) end
end

local function done_before(request)
  return (request or '') ~= '' and call('GET', P .. 'done:' .. request) or nil
end

-- Wake one process. A bell says "look"; for one that looks for very little it may say at once what there is to see
-- (`word`). A ninth entry is dropped: by then the last four only say "look", so what was dropped will be seen.
local function ring(process, word)
  local bell = P .. 'bell:' .. process
  local entries = call('RPUSH', bell, word or '1')
  if entries == 1 then call('PEXPIRE', bell, 60000) end
  if word and entries > 4 then call('LSET', bell, -1, '1') end
  if entries > 8 then call('LTRIM', bell, 0, 7) end
end

-- Wake up to `count` workers that found the lane empty, the last that came first.
local function ring_lane(lane, count)
  local idle = P .. 'idle:' .. lane
  for _ = 1, count do
    local popped = call('ZPOPMAX', idle)
    if not popped[1] then return end
    ring(popped[1])
  end
end

-- Agents decide by what fits them, so all idle ones look; function workers take whatever comes, so one does.
local function ring_work(lane)
  ring_lane(lane, string.sub(lane, 1, 2) == 'q:' and 100 or 1)
end

-- Functions: one entry a batch, with counts by function and outcome.
local function emit_functions(now, name, counts)
  local flat = {}
  for word, count in pairs(counts) do
    flat[#flat + 1] = word
    flat[#flat + 1] = int(count)
  end
  if #flat == 0 then return end
  for i = 1, #flat, 1000 do
    call('XADD', P .. 'events.fn', 'MAXLEN', '~', EVENT_ENTRIES, '*', 'at', now, 'name', name,
      unpack(flat, i, math.min(i + 999, #flat)))
  end
end
