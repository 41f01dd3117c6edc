-- The end of a holder: it can claim and end nothing from now on.
local function bury(now, w)
  local label, lanes = unpack(call('HMGET', P .. 'worker:' .. w, 'label', 'lanes'))
  call('HDEL', P .. 'beats', w)
  call('ZREM', P .. 'workers', w)
  call('DEL', P .. 'bell:' .. w, P .. 'given:' .. w)
  if not label then return end
  if call('HGET', P .. 'labels', label) == w then call('HDEL', P .. 'labels', label) end
  for lane in string.gmatch(lanes or '', '%S+') do call('ZREM', P .. 'idle:' .. lane, w) end
  local host = call('HGET', P .. 'worker:' .. w, 'host_id')
  if host then call('ZREM', P .. 'idle:host:' .. host, w) end
  call('ZREM', P .. 'idle:timer', w)
  call('HSET', P .. 'worker:' .. w, 'ended', now)
  call('PEXPIRE', P .. 'worker:' .. w, 86400000)
end
