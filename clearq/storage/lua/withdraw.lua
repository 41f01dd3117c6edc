-- A process that hangs is given nothing more, and what was given to it and not taken goes to others. Its parent asks,
-- who knows what it has taken: first with nothing to take back, for the count; then up to that count.
-- KEYS[1] meta (hash)   ARGV: now, holder, number of the last one that it has taken, number up to which to take back
-- Touches own:<w>, worker:<w>, t:<id>, queue:<queue> (hashes), lanes, idle:<lane> (zsets), bell:<process> (list)
-- RETURNS {count of those given so far, count of those taken back}
-- @include base
-- @include order
-- @include limits
-- @include tasks
local w, taken, upto = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
pass_when_full()
local now = clock(ARGV[1])
local own, worker, back = P .. 'own:' .. w, P .. 'worker:' .. w, 0
call('HDEL', worker, 'room')
-- Nor is it woken for what others could take. It stands among the idle again with its next turn.
for lane in string.gmatch(call('HGET', worker, 'lanes') or '', '%S+') do call('ZREM', P .. 'idle:' .. lane, w) end
if upto > taken then
  local entries = call('HGETALL', own)
  for i = 1, #entries, 2 do
    local id = entries[i]
    local fence, score, stop = string.match(entries[i + 1], '^(%S+) (%S+) ?(%S*)$')
    local number = tonumber(string.match(fence, '^1%.g(%d+)x') or '0')
    -- One that shall stop stays: whoever asked was told that its process would end it.
    if number > taken and number <= upto and stop == '' then
      local task = read_state(id)
      if task and task.fence == fence and task.holder == w and call('EXISTS', queue_key(task.queue)) == 1 then
        call('HDEL', own, id)
        call('HINCRBY', queue_key(task.queue), 'running', -1)
        call('HDEL', task_key(id), 'status', 'holder')
        put_in_queue(id, task, task.queue, score, nil, now)
        back = back + 1
      end
    end
  end
  if call('EXISTS', worker) == 1 then call('HSET', worker, 'withdrawn', ARGV[4]) end
end
return { call('HGET', worker, 'given') or '0', int(back) }
