-- Where tasks stand, in one look: for `clearq doctor`, which has found something odd in looks that were not.
-- KEYS[1] meta (hash)   ARGV: count of tasks, their ids, then key names after the tag: lanes and own:<holder>
-- Reads t:<id>, own:<holder> (hashes), q:<queue> / fn:<queue> / fn.<app>:<queue>, delayed, lost (zsets); writes nothing
-- RETURNS for each task {status or 'missing', fence or '', queue or '', {each place that holds it}}; a place is the
--   key name, for own:<holder> with the entry's fence behind it; `parents` for one that waits for others to end
-- @include base
-- @include order
-- @include limits
-- @include tasks
-- @include functions
-- @include attempts
local count = tonumber(ARGV[1])
local answer = {}
for i = 2, count + 1 do
  local id = ARGV[i]
  local task = read_state(id)
  local names, places, seen = { 'delayed', 'lost' }, {}, {}
  for j = count + 2, #ARGV do names[#names + 1] = ARGV[j] end
  if task and task.queue then names[#names + 1] = lane_of(task.queue, task.fn, task.app) end
  if task and task.holder then names[#names + 1] = 'own:' .. task.holder end
  if task and task.held then names[#names + 1] = 'limit.held:' .. task.queue .. ':' .. task.held end
  for _, name in ipairs(names) do
    if not seen[name] then
      seen[name] = true
      if string.sub(name, 1, 4) == 'own:' then
        local own = read_own(string.sub(name, 5), id)
        if own then places[#places + 1] = name .. ' ' .. own.fence end
      elseif call('ZSCORE', P .. name, id) then
        places[#places + 1] = name
      end
    end
  end
  if task and task.waits then places[#places + 1] = 'parents' end
  task = task or { status = 'missing' }
  answer[#answer + 1] = { task.status, task.fence or '', task.queue or '', places }
end
return answer
