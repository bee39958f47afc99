-- The limits of a queue and its lanes; `limits.rs` packs them.
--
-- Fields of the `limits` hash: source ("o" operator, "c" code) and scope ("q" queue, "e" each lane, "n"
-- and the lane's key). A value: which limits are given (8 bits: 1 concurrency, 2 rate, 4 size, 8 weight,
-- 16 breaker, 32 shared), concurrency (32), how the rate counts (8: 1 fixed, 2 sliding, 3 bucket), its
-- count (32), period in ms (64) and burst (32), size (64), weight (16), failures (16), rest in ms (64),
-- the shared limit's name.
local FIXED, SLIDING, BUCKET = 1, 2, 3
-- Stands for the queue where lanes are named.
local QUEUE = "\0"

local function limits_in(packed)
  if not packed then
    return {}
  end
  local given, concurrency, counting, count, per, burst, size, weight, failures, rest, at =
    struct.unpack(">I1I4I1I4I8I4I8I2I2I8", packed)
  local function is_given(bit)
    return math.floor(given / bit) % 2 == 1
  end
  return {
    concurrency = is_given(1) and concurrency or nil,
    rate = is_given(2) and { counting = counting, count = count, per = per, burst = burst } or nil,
    size = is_given(4) and size or nil,
    weight = is_given(8) and weight or nil,
    breaker = is_given(16) and { failures = failures, rest = rest } or nil,
    shared = is_given(32) and string.sub(packed, at) or nil,
  }
end

-- For each single limit the first that is given.
local function first_given(...)
  local merged = {}
  for i = 1, select("#", ...) do
    local packed = select(i, ...)
    for what, limit in pairs(limits_in(packed)) do
      if merged[what] == nil then
        merged[what] = limit
      end
    end
  end
  return merged
end

-- What holds for the queue and for each lane of it. Read once in a script.
local of_queue, of_each_lane
local function read_common_limits()
  local found = redis.call("HMGET", limits, "oq", "cq", "oe", "ce")
  of_queue = first_given(found[1], found[2])
  of_each_lane = { found[3], found[4], merged = first_given(found[3], found[4]) }
end

local function queue_limits()
  if not of_queue then
    read_common_limits()
  end
  return of_queue
end

local function each_lanes_limits()
  if not of_each_lane then
    read_common_limits()
  end
  return of_each_lane
end

-- What holds for a lane, and whether it is paused. Read once in a script.
local of_lanes = { [""] = {} }
local function lane_limits(lane)
  local known = of_lanes[lane]
  if not known then
    local common = each_lanes_limits()
    local own = redis.call("HMGET", limits, "on" .. lane, "cn" .. lane, "p" .. lane)
    known = common.merged
    if own[1] or own[2] or own[3] then
      known = first_given(own[1], own[2], common[1], common[2])
      known.paused = own[3] and true or nil
    end
    of_lanes[lane] = known
  end
  return known
end

-- Reads at once what holds for lanes (1000 at most) that have no limits of their own: most, as a rule.
local function read_limits(names)
  if #names > 0 then
    local common = each_lanes_limits()
    for i, has_own in ipairs(redis.call("ZMSCORE", named, unpack(names))) do
      if not has_own then
        of_lanes[names[i]] = of_lanes[names[i]] or common.merged
      end
    end
  end
end
