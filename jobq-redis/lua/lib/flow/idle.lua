-- What may be forgotten: lanes that nobody has used for a minute, and throttled keys whose time is over.

local function has_rate_in_use(lane, state, now)
  if state.counting == BUCKET then
    local rate = (lane == QUEUE and queue_limits() or lane_limits(lane)).rate
    return rate and missing_now(rate, state, now) > 0
  end
  if state.counting == FIXED then
    return state.used > 0 and state.since + state.per > now
  end
  local counted_from = "[" .. lane .. QUEUE .. struct.pack(">I8", math.max(now - state.per + 1, 0))
  return state.counting == SLIDING and redis.call("ZLEXCOUNT", starts, counted_from, "(" .. lane .. "\1") > 0
end

-- When to look at a lane again, or nothing if it is to be forgotten.
local function look_again_at(lane, now)
  local state = state_of(lane)
  if state.leased_at + FORGOTTEN_AFTER > now then
    return state.leased_at + FORGOTTEN_AFTER
  end
  if count_slots(lane) > 0 or state.failures > 0 or state.rests_until > now or has_rate_in_use(lane, state, now) then
    return now + FORGOTTEN_AFTER
  end
end

local function forget_lane(lane)
  redis.call("HDEL", lanes, lane)
  -- The empty lane has no rate. What begins with its key and a zero is the queue's.
  if lane ~= "" then
    redis.call("ZREMRANGEBYLEX", starts, "[" .. lane .. QUEUE, "(" .. lane .. "\1")
  end
  states[lane] = nil
end

local function look_at_lane(lane, now)
  local member = "l" .. lane
  local again_at = look_again_at(lane, now)
  if lane_members(lane, 1)[1] then
    -- It is noted again when it has nothing ready.
    redis.call("ZREM", idle, member)
  elseif again_at then
    redis.call("ZADD", idle, int(again_at), member)
  else
    redis.call("ZREM", idle, member)
    forget_lane(lane)
  end
end

local function look_at_key(set, digest, now)
  local value = redis.call("HGET", set, digest)
  if value and string.sub(value, 17, 17) == "t" and not holder_of(set, digest, now) then
    redis.call("HDEL", set, digest)
  end
end

-- The queue as a whole and the jobs without a lane are the last to be forgotten: their tag counts as long as
-- there are others.
local function forget_queue(now)
  local known = redis.call("HEXISTS", lanes, "") + redis.call("HEXISTS", lanes, QUEUE)
  if known == 0 or redis.call("HLEN", lanes) > known or redis.call("EXISTS", order, held_up) > 0 then
    return
  end
  if state_of("").leased_at + FORGOTTEN_AFTER <= now then
    forget_lane("")
  end
  local state = state_of(QUEUE)
  -- A bucket knows when it was leased from last: that is a minute ago, as for a lane.
  if redis.call("EXISTS", jobs) == 0 and state.since + FORGOTTEN_AFTER <= now and not has_rate_in_use(QUEUE, state, now) then
    forget_lane(QUEUE)
  end
end

-- Looks at what is due, `limit` (1000 at most) of it; says at how many.
local function forget_idle(now, limit)
  local due = redis.call("ZRANGEBYSCORE", idle, "-inf", int(now), "LIMIT", 0, limit)
  for _, member in ipairs(due) do
    local sort, name = string.sub(member, 1, 1), string.sub(member, 2)
    if sort == "l" then
      look_at_lane(name, now)
    else
      look_at_key(sort == "g" and unique_everywhere or unique, name, now)
      redis.call("ZREM", idle, member)
    end
  end
  forget_queue(now)
  return #due
end
