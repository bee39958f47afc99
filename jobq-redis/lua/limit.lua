-- limit: set limits, pause a lane or let it go on, or let it rest.
--
-- ARGV[1]  now in ms, or "" for the server's clock
-- ARGV[2]  what: "set", "pause", "resume" or "rest"
-- ARGV[3]  the lane; "" for the queue, or all lanes of it
-- ARGV[4]  set: the field of the `limits` hash; rest: how long, in ms
-- ARGV[5]  set: the limits; "" for none
--
-- Returns  the name of the shared limit that the queue takes part in, or ""
local now = clock(ARGV[1])
local what, lane, value, packed = ARGV[2], ARGV[3], ARGV[4], ARGV[5]

-- Notes whether anything is set for the lane.
local function note_lane()
  if lane ~= "" then
    local found = redis.call("HMGET", limits, "on" .. lane, "cn" .. lane, "p" .. lane)
    if found[1] or found[2] or found[3] then
      redis.call("ZADD", named, 0, lane)
    else
      redis.call("ZREM", named, lane)
    end
  end
end

local change = {}

function change.set()
  if packed == "" then
    redis.call("HDEL", limits, value)
  else
    redis.call("HSET", limits, value, packed)
  end
  if lane ~= "" then
    come_back(lane)
  end
end

function change.pause()
  redis.call("HSET", limits, "p" .. lane, "1")
  come_back(lane)
  if redis.call("ZSCORE", order, lane) then
    hold_up(lane, math.huge)
  end
end

function change.resume()
  redis.call("HDEL", limits, "p" .. lane)
  local state = state_of(lane)
  if state.failures > 0 or state.rests_until > 0 then
    state.failures, state.rests_until, state.is_changed = 0, 0, true
  end
  come_back(lane)
end

function change.rest()
  local state = state_of(lane)
  state.rests_until = math.max(state.rests_until, math.min(now + tonumber(value), END_OF_TIME))
  state.is_changed = true
  redis.call("ZADD", idle, "NX", 0, "l" .. lane)
  come_back(lane)
end

begin()
redis.call("SET", flow, "1")
change[what]()
note_lane()
keep_states()
-- Where the limits are unchanged, what they say is read before; here it has just been changed.
of_queue = nil
wake_one()
return queue_limits().shared or ""
