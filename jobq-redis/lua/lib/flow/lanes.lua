-- Lanes: whose turn it is, and who must wait. `docs/flow-control.md` has the rules.
--
-- A state (the `lanes` hash): level (8 bits; 255 while it has none), tag (64), when a job of it was leased last (64),
-- until when it rests (64), failures in a row (16); how its rate counts (8), the rate's period (64), since
-- when (64) and what it has counted (64, floating).
local TURN = 10080
local NO_LEVEL = 255
-- A lane that was served last so long ago is new when it comes to wait, in ms.
local FORGOTTEN_AFTER = 60000
-- A score in `order` is (15 - level) * SPAN + tag.
local SPAN = 2 ^ 49
local STATE = ">I1I8I8I8I2I1I8I8d"

local states = {}
local NEW_STATE = struct.pack(STATE, NO_LEVEL, 0, 0, 0, 0, 0, 0, 0, 0)
local function unpacked_state(packed)
  local level, tag, leased_at, rests_until, failures, counting, per, since, used = struct.unpack(STATE, packed or NEW_STATE)
  -- A table that is made with all its fields is made far faster than one that grows.
  return {
    level = level,
    tag = tag,
    leased_at = leased_at,
    rests_until = rests_until,
    failures = failures,
    counting = counting,
    per = per,
    since = since,
    used = used,
    is_changed = false,
  }
end

local function state_of(lane)
  local state = states[lane]
  if not state then
    state = unpacked_state(redis.call("HGET", lanes, lane))
    states[lane] = state
  end
  return state
end

-- Reads the states of lanes (1000 at most) all at once.
local function read_states(names)
  if #names > 0 then
    for i, packed in ipairs(redis.call("HMGET", lanes, unpack(names))) do
      states[names[i]] = states[names[i]] or unpacked_state(packed)
    end
  end
end

-- The tag served last at a level.
local virtual_times = {}
local function virtual_time(level)
  if not virtual_times[level] then
    virtual_times[level] = tonumber(redis.call("HGET", meta, "v" .. level) or "0")
  end
  return virtual_times[level]
end

local has_passed = {}
local function pass(level, tag)
  virtual_times[level], has_passed[level] = tag, true
end

-- Writes what has changed. Every script that may change a lane ends with it.
local function keep_states()
  local fields = {}
  for lane, state in pairs(states) do
    if state.is_changed then
      fields[#fields + 1] = lane
      fields[#fields + 1] = struct.pack(STATE, state.level, state.tag, state.leased_at,
        state.rests_until, state.failures, state.counting, state.per, state.since, state.used)
      state.is_changed = false
    end
  end
  for from = 1, #fields, 1000 do
    redis.call("HSET", lanes, unpack(fields, from, math.min(from + 999, #fields)))
  end
  for level in pairs(has_passed) do
    redis.call("HSET", meta, "v" .. level, int(virtual_times[level]))
  end
  has_passed = {}
end

local function turn_of(lane)
  return math.floor(TURN / (lane_limits(lane).weight or 1))
end

local function level_in(score)
  return 15 - math.floor(score / SPAN)
end

-- Jobs of a lane

local function lane_members(lane, count)
  return redis.call("ZRANGEBYLEX", laned, "[" .. lane .. "\0", "(" .. lane .. "\1", "LIMIT", 0, count)
end

local function level_in_member(lane, member)
  return 15 - string.byte(member, #lane + 2)
end

local function cost_in_member(lane, member)
  return (struct.unpack(">I2", member, #lane + 11))
end

-- A lane's own name, 0, level, position, cost and id.
local function lane_in_member(member)
  return string.sub(member, 1, -29)
end

local function id_in_member(member)
  return string.sub(member, -16)
end

-- How many jobs of a lane are ready, those that are held back among them.
local function count_ready(lane)
  return redis.call("ZLEXCOUNT", laned, "[" .. lane .. "\0", "(" .. lane .. "\1")
    + redis.call("ZLEXCOUNT", held_back, "[l" .. lane .. "\0", "(l" .. lane .. "\1")
end

-- How many jobs of a lane are leased.
local function count_slots(lane)
  return redis.call("ZLEXCOUNT", slots, "[" .. lane .. "\0", "(" .. lane .. "\1")
end

-- Order

local function highest_unlaned()
  for _, level in ipairs(redis.call("ZREVRANGE", levels, 0, -1)) do
    if redis.call("LLEN", ready_list(tonumber(level))) > 0 then
      return tonumber(level)
    end
  end
end

-- The level at which jobs without a lane wait; nothing if there are none. A list has to be rid of what is left
-- over in front for that: of a thousand entries, beyond which they count as jobs for a while.
local function level_of_unlaned()
  drop_left_over(1000)
  return highest_unlaned()
end

local function score_of(level, tag)
  return (15 - level) * SPAN + tag
end

-- A lane's place in the order. One that had nothing ready is new unless it was served of late.
local function place_in_order(lane, level, has_waited)
  local state = state_of(lane)
  if not has_waited and (state.leased_at == 0 or present - state.leased_at >= FORGOTTEN_AFTER) then
    state.tag = virtual_time(level)
  elseif state.level == level then
    state.tag = math.max(state.tag, virtual_time(level))
  else
    state.tag = virtual_time(level) + turn_of(lane)
  end
  state.level = level
  state.is_changed = true
  return score_of(level, state.tag)
end

local function line_up(lane, level, has_waited)
  redis.call("ZADD", order, int(place_in_order(lane, level, has_waited)), lane)
end

-- Whether a lane with a key has a ready job.
local function any_lane_waits()
  return redis.call("EXISTS", order, held_up) > 0
end

-- A lane comes to wait, or back to waiting.
local function come_to_wait(lane, level)
  if lane ~= "" and not any_lane_waits() then
    local unlaned = level_of_unlaned()
    if unlaned then
      line_up("", unlaned)
    end
  end
  line_up(lane, level)
end

-- With the last lane those without one leave the order.
local function leave_unlaned_alone()
  if redis.call("ZCARD", order) == 1 and redis.call("EXISTS", held_up) == 0 then
    redis.call("ZREM", order, "")
  end
end

-- A lane has nothing ready any more.
local function stop_waiting(lane)
  redis.call("ZREM", order, lane)
  redis.call("ZREM", held_up, lane)
  leave_unlaned_alone()
  -- The maintenance finds out from when on it is.
  redis.call("ZADD", idle, 0, "l" .. lane)
end

-- A lane that was held up may be served again: it comes back into the order, in which its turn shows
-- whether it may.
local function come_back(lane)
  if redis.call("ZREM", held_up, lane) == 1 then
    local first = lane_members(lane, 1)[1]
    if first then
      line_up(lane, level_in_member(lane, first), true)
    end
  end
end

-- A job of this level was added to a lane, perhaps in front of all others.
local function grew(lane, level, in_front)
  local score = redis.call("ZSCORE", order, lane)
  if score then
    if level > level_in(tonumber(score)) then
      line_up(lane, level, true)
    end
  elseif lane == "" or not redis.call("ZSCORE", held_up, lane) then
    come_to_wait(lane, level)
  elseif in_front or level > state_of(lane).level then
    come_back(lane)
  end
end

-- A job was taken out of a lane otherwise than by its turn.
local function shrank(lane)
  local first = lane_members(lane, 1)[1]
  if not first then
    stop_waiting(lane)
    return
  end
  local score = redis.call("ZSCORE", order, lane)
  local level = level_in_member(lane, first)
  if not score then
    come_back(lane)
    wake_one()
  elseif level_in(tonumber(score)) ~= level then
    line_up(lane, level, true)
  end
end

-- A job without a lane was called off.
local function unlaned_left()
  local score = redis.call("ZSCORE", order, "")
  if score then
    local level = level_of_unlaned()
    if not level then
      redis.call("ZREM", order, "")
    elseif level ~= level_in(tonumber(score)) then
      line_up("", level, true)
    end
  end
end

-- A job without a lane became ready.
local function unlaned_came(level)
  if any_lane_waits() then
    grew("", level, false)
  end
end

-- Puts a job at the back of its level in its lane, or in front.
local function push_laned(lane, level, cost, id, in_front)
  local position = redis.call("HINCRBY", meta, in_front and "front" or "back", in_front and -1 or 1)
  local member = lane .. "\0" .. string.char(15 - level) .. struct.pack(">I8I2", 2 ^ 52 + position, cost) .. id
  redis.call("SET", flow, "1")
  redis.call("ZADD", laned, 0, member)
  redis.call("HSET", places_in, id, member)
  grew(lane, level, in_front)
end

-- The same for many jobs, at the back, in this order.
local function push_all_laned(some)
  if #some == 0 then
    return
  end
  local before = redis.call("HINCRBY", meta, "back", #some) - #some
  local members, places, highest = {}, {}, {}
  for n, job in ipairs(some) do
    local id, record = job[1], job[2]
    local key = string.char(15 - level_of(record)) .. struct.pack(">I8I2", 2 ^ 52 + before + n, cost_of(record))
    local member = lane_of(record) .. "\0" .. key .. id
    members[2 * n - 1], members[2 * n] = "0", member
    places[2 * n - 1], places[2 * n] = id, member
  end
  redis.call("SET", flow, "1")
  redis.call("ZADD", laned, unpack(members))
  redis.call("HSET", places_in, unpack(places))
  for _, job in ipairs(some) do
    local lane, level = lane_of(job[2]), level_of(job[2])
    -- More jobs of a level that a lane has move it no more.
    if not highest[lane] or level > highest[lane] then
      highest[lane] = level
      grew(lane, level, false)
    end
  end
end

-- Limits

-- Whether a lane's first job may not be leased: nothing if it may, else by when, infinite if that is no
-- matter of time; and which limit it is.
local function hold_up_of(lane, cost, running_count, now)
  local given, state = lane_limits(lane), state_of(lane)
  if given.paused then
    return math.huge, "paused"
  end
  if state.rests_until > now then
    return state.rests_until, "rests"
  end
  local most = given.concurrency or math.huge
  if given.breaker and state.failures >= given.breaker.failures then
    most = 1
  end
  if most < math.huge and (running_count or count_slots(lane)) >= most then
    return math.huge, "concurrency", most
  end
  local at = given.rate and room_at(given.rate, state, lane, cost, now)
  if at then
    return at, "rate", given.rate
  end
end

local function hold_up(lane, at)
  redis.call("ZADD", held_up, at == math.huge and "inf" or int(at), lane)
  redis.call("ZREM", order, lane)
end

-- The lane in which a lease has a slot; "" if it has none.
local function lane_held(record, member)
  if is_stand_in(record) then
    for _, slot in ipairs(redis.call("ZRANGE", slots, 0, -1)) do
      if string.sub(slot, -#member - 1) == "\0" .. member then
        return string.sub(slot, 1, -#member - 2)
      end
    end
  end
  return lane_of(record)
end

-- The end of a lease frees its slot; a lane that waited for one is back.
local function slot_freed(lane, member)
  if lane == "" then
    return
  end
  redis.call("ZREM", slots, lane .. "\0" .. member)
  if redis.call("ZSCORE", held_up, lane) and not lane_limits(lane).paused then
    come_back(lane)
    wake_one()
  end
end

-- The same for many leases, of lanes with a key.
local function slots_freed(names, members)
  local taken = {}
  for i, member in ipairs(members) do
    taken[i] = names[i] .. "\0" .. member
  end
  redis.call("ZREM", slots, unpack(taken))
  if redis.call("EXISTS", held_up) == 1 then
    for i, score in ipairs(redis.call("ZMSCORE", held_up, unpack(names))) do
      if score and not lane_limits(names[i]).paused then
        come_back(names[i])
        wake_one()
      end
    end
  end
end

-- Counts a failed attempt in a lane with a breaker; after too many in a row the lane rests.
local function lane_failed(lane, now)
  local breaker = lane ~= "" and lane_limits(lane).breaker
  if not breaker then
    return
  end
  local state = state_of(lane)
  state.failures = math.min(state.failures + 1, 65535)
  state.is_changed = true
  if state.failures >= breaker.failures then
    state.rests_until = math.max(state.rests_until, math.min(now + breaker.rest, END_OF_TIME))
  end
end

local function lane_succeeded(lane)
  if lane ~= "" then
    local state = state_of(lane)
    if state.failures > 0 then
      state.failures = 0
      state.is_changed = true
      -- It may have been on probation.
      if redis.call("ZSCORE", held_up, lane) == "inf" and not lane_limits(lane).paused then
        come_back(lane)
        wake_one()
      end
    end
  end
end
