-- What the end of a job means for others: its batch, and the jobs that wait for it.

-- Whether the end of a job of this queue may mean anything to others, or something is still to be told.
local function has_families()
  return redis.call("EXISTS", KEYS[46], KEYS[45], KEYS[52]) > 0
    or (redis.call("HGET", meta, "members") or "0") ~= "0"
end

-- How many jobs of this queue that have not ended batches count: as long as there are any, what ends
-- must be looked at.
local function count_members(count)
  -- A record that was overwritten may name a batch that never counted its job.
  if redis.call("HINCRBY", meta, "members", count) < 0 then
    redis.call("HSET", meta, "members", 0)
  end
end

-- Tells those concerned that a job has ended: "completed", "cancelled" or "dead".
local function family_told(id, record, state, result, now)
  local batch, queue = batch_of(record)
  if batch then
    count_members(-1)
    if state == "dead" then
      home.tell(batch, queue, "d", 1, now, this_queue .. "\0" .. id)
    else
      home.tell(batch, queue, state == "completed" and "c" or "x", 1, now)
    end
  end
  if redis.call("HEXISTS", KEYS[46], id) == 1 then
    kin.tell_children(id, state == "completed" and "c" or (state == "dead" and "d" or "x"), result, now)
  end
end

-- The same for jobs that have completed without a result.
local function family_told_of_completed(ids, records, now)
  local counts, queues, in_order, members = {}, {}, {}, 0
  -- Backwards: a batch ends with its last job.
  for i = #ids, 1, -1 do
    local batch, queue
    if records[i] then
      batch, queue = batch_of(records[i])
    end
    if batch then
      if not counts[batch] then
        counts[batch], queues[batch] = 0, queue
        table.insert(in_order, 1, batch)
      end
      counts[batch] = counts[batch] + 1
      members = members + 1
    end
  end
  if members > 0 then
    count_members(-members)
    for _, batch in ipairs(in_order) do
      home.tell(batch, queues[batch], "c", counts[batch], now)
    end
  end
  if redis.call("EXISTS", KEYS[46]) == 1 then
    for _, id in ipairs(ids) do
      kin.tell_children(id, "c", nil, now)
    end
  end
end

-- Tells its batch that a dead job is to run again.
local function family_told_of_requeue(id, record, now)
  local batch, queue = batch_of(record)
  if batch then
    redis.call("SET", flow, "1")
    count_members(1)
    home.tell(batch, queue, "r", 1, now, this_queue .. "\0" .. id)
  end
end

-- Tells its batch that a dead job is about to be forgotten.
local function family_told_of_burial(id, record, now)
  local batch, queue = batch_of(record)
  if batch then
    home.tell(batch, queue, "g", 1, now, this_queue .. "\0" .. id)
  end
end

-- Whether a job that is about to be leased was called off with its batch. One that has failed or crashed
-- before has started, and goes on.
local function is_called_off(id, record)
  local batch = batch_of(record)
  if not batch or redis.call("HEXISTS", KEYS[51], batch) == 0 then
    return false
  end
  return #(redis.call("HGET", facts, id) or "") <= 4
end
