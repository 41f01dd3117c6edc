-- Blobs that lie here in chunks: chunks:<task> has their names and sizes.

local function forget_chunks(id, blob)
  call('UNLINK', P .. 'chunk:' .. id .. ':' .. blob)
  call('HDEL', P .. 'chunks:' .. id, blob)
end

-- All of a task's whose name begins so; '' is all.
local function forget_blobs(id, beginning)
  for _, blob in ipairs(call('HKEYS', P .. 'chunks:' .. id)) do
    if string.sub(blob, 1, #beginning) == beginning then forget_chunks(id, blob) end
  end
end
