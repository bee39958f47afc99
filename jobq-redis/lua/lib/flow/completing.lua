-- Completing jobs that leave nothing behind, in queues with flow control.

-- What the ends of these leases mean to lanes, keys, and those who wait for the jobs.
local function leases_completed(ids, members, now)
  local ended = redis.call("HMGET", jobs, unpack(ids))
  for i, record in ipairs(ended) do
    ended[i] = record and readable(record)
  end
  family_told_of_completed(ids, ended, now)
  local names, with_lane, seen = {}, {}, {}
  for i, record in ipairs(ended) do
    local lane = record and lane_held(record, members[i]) or ""
    if lane ~= "" then
      names[#names + 1], with_lane[#with_lane + 1] = lane, members[i]
    end
  end
  if #names > 0 then
    read_states(names)
    for _, lane in ipairs(names) do
      if not seen[lane] then
        seen[lane] = true
        lane_succeeded(lane)
      end
    end
    slots_freed(names, with_lane)
  end
  for i, record in ipairs(ended) do
    if record and (is_stand_in(record) or not is_plain_record(record)) then
      free_running(ids[i], record, to_ready)
    end
  end
end

-- Completes jobs by their leases; says which of these, by position, had been lost. In a quiet queue nothing
-- hangs on any job.
local function complete(given, now, is_quiet)
  local lost, members, ids = {}, {}, {}
  if #given == 0 then
    return lost
  end
  for i, score in ipairs(redis.call("ZMSCORE", leased, unpack(given))) do
    if score then
      members[#members + 1] = given[i]
      ids[#ids + 1] = id_of(given[i])
    else
      lost[#lost + 1] = i
    end
  end
  if #members == 0 then
    return lost
  end
  redis.call("ZREM", leased, unpack(members))
  -- Only what hangs on others must be read for it.
  if not is_quiet and (redis.call("EXISTS", slots, running) > 0 or has_families()) then
    leases_completed(ids, members, now)
  end
  local common = shared_limit()
  if common and common.limits.concurrency then
    wake_one()
    wake_shared()
  elseif queue_limits().concurrency then
    wake_one()
  end
  redis.call("HDEL", jobs, unpack(ids))
  if not is_quiet then
    forget(ids)
  end
  return lost
end
