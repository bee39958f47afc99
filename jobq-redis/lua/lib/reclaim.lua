-- What becomes of jobs whose lease has expired or is given back.
local give_back, reclaim
do
  -- Facts start with failed attempts and crashes (16 bits each); failures follow, oldest first:
  -- kind (8), attempt (16), at (48), worker (64), length of the message (16), message.
  local NO_FACTS = "\0\0\0\0"
  local CRASH = 4
  local CRASH_MESSAGE = "lease expired"

  local function add_crash(id, worker, now)
    local known = redis.call("HGET", facts, id) or NO_FACTS
    if #known < #NO_FACTS then
      known = NO_FACTS
    end
    local failed = struct.unpack(">I2", known)
    local crashes = struct.unpack(">I2", known, 3) + 1
    local failure = struct.pack(">I1I2I6", CRASH, math.min(failed + 1, 65535), now)
      .. worker
      .. struct.pack(">I2", #CRASH_MESSAGE)
      .. CRASH_MESSAGE
    local header = struct.pack(">I2I2", failed, math.min(crashes, 65535))
    redis.call("HSET", facts, id, header .. string.sub(known, 5) .. failure)
    return crashes
  end

  -- Gives a job back to the front of its priority; one that somebody wants cancelled, or that another has
  -- taken the place of, ends instead. Says whether the job is ready again.
  function give_back(id, record, now)
    if redis.call("HEXISTS", marks, id) == 1 or not waits_again(id, record) then
      finish(id, record, cancelled, now)
      return false
    end
    to_ready(id, record, true)
    return true
  end

  -- Takes jobs from workers that let their leases expire, `limit` of them; says how many are ready again
  -- and how many are dead.
  function reclaim(now, limit)
    local expired = redis.call("ZRANGEBYSCORE", leased, "-inf", int(now), "LIMIT", 0, limit)
    local reclaimed, poisoned = 0, 0
    -- From the last to the first, so that the one that expired first ends up in front.
    for i = #expired, 1, -1 do
      local member = expired[i]
      local id = id_of(member)
      local record = record_of(id)
      if record then
        local crashes = add_crash(id, worker_of(member), now)
        if crashes >= max_crashes_of(record) and redis.call("HEXISTS", marks, id) == 0 then
          bury(id, record, now)
          poisoned = poisoned + 1
        elseif give_back(id, record, now) then
          reclaimed = reclaimed + 1
        end
        lease_ended(id, record, member, now)
      end
      redis.call("ZREM", leased, member)
    end
    if reclaimed > 0 then
      wake_one()
    end
    return reclaimed, poisoned, #expired
  end
end
