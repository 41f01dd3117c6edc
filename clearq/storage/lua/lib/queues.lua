-- Finding and making queues.

-- The id of a queue named by its name or id, or nil.
local function find_queue(text)
  local id = call('HGET', P .. 'queues', text)
  if id then return id end
  if text ~= '' and call('EXISTS', queue_key(text)) == 1 then return text end
  return nil
end

-- A new queue. Its id is the slug of its first name and is never used again, also after a deletion.
local function make_queue(now, name, slug)
  local used = call('HINCRBY', KEYS[1], 'slug:' .. slug, 1)
  local id = slug
  if used > 1 then id = slug .. '-' .. int(used) end
  while call('EXISTS', queue_key(id)) == 1 or call('HEXISTS', P .. 'queues', id) == 1 and id ~= name do
    id = slug .. '-' .. int(call('HINCRBY', KEYS[1], 'slug:' .. slug, 1))
  end
  call('HSET', P .. 'queues', name, id)
  call('HSET', queue_key(id), 'name', name, 'created', now, 'rev', '1')
  emit(now, 'queue.created', '', id)
  return id
end
