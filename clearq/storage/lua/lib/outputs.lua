-- What a task produced, and how it is forgotten.
local RUN_FIELDS = { 'stage', 'queue', 'enqueued', 'due', 'score', 'started', 'ended', 'failures', 'losses', 'releases', 'worker',
  'holder', 'host_id', 'boot_id', 'gpus_held', 'exit_code', 'last_iteration', 'progress', 'progress.text', 'manual', 'process',
  'stop', 'request', 'log.seq', 'log.url', 'metrics.seq', 'result', 'error' }

local function forget_outputs(id)
  for _, metric in ipairs(call('HKEYS', P .. 'scalars:' .. id)) do
    call('UNLINK', P .. 'scalar:' .. id .. ':' .. metric)
  end
  call('UNLINK', P .. 'scalars:' .. id, P .. 'log:' .. id, P .. 'artifacts:' .. id)
  forget_blobs(id, 'artifact.')
end
