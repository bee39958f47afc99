-- lanes: what is known of lanes.
--
-- ARGV[1]   now in ms, or "" for the server's clock
-- ARGV[2]   "" if the lanes are named; else ">" and the lane after which to begin, or nothing more
-- ARGV[3]   the most lanes to return: 1000 at most
-- ARGV[4+]  the lanes
--
-- Returns   for each lane: key, "1" if paused, ready, leased, by when it may be served (or ""), failures
--           in a row, and its limits: operator's and code's for it, and for each lane
local now = clock(ARGV[1])

-- Whether a text comes before another, byte by byte: the server's `<` goes by its locale.
local function is_before(a, b)
  for i = 1, math.min(#a, #b) do
    if string.byte(a, i) ~= string.byte(b, i) then
      return string.byte(a, i) < string.byte(b, i)
    end
  end
  return #a < #b
end

-- Keys of lanes with something ready, leased or set, from one to the next by name.
local function next_lane(after)
  local found
  for set, sort in pairs({ [laned] = "", [slots] = "", [named] = "", [held_back] = "l" }) do
    local from = "(" .. sort .. (after and after .. (set == named and "" or "\1") or "\1")
    local member = redis.call("ZRANGEBYLEX", set, from, sort == "" and "+" or "(m", "LIMIT", 0, 1)[1]
    local lane = member and string.sub(member, #sort + 1, (string.find(member, "\0", 1, true) or 0) - 1)
    if lane and (not found or is_before(lane, found)) then
      found = lane
    end
  end
  return found
end

local function lanes_in_use(after, count)
  local found, lane = {}, after ~= "" and after or nil
  while #found < count do
    lane = next_lane(lane)
    if not lane then
      break
    end
    found[#found + 1] = lane
  end
  return found
end

local wanted = ARGV[2] == "" and { unpack(ARGV, 4) } or lanes_in_use(string.sub(ARGV[2], 2), tonumber(ARGV[3]))
local views = {}
for i, lane in ipairs(wanted) do
  local state, first = state_of(lane), lane_members(lane, 1)[1]
  local rate, at = lane_limits(lane).rate, state.rests_until > now and state.rests_until or 0
  local cost = first and cost_in_member(lane, first) or 1
  at = math.max(at, rate and room_at(rate, state, lane, cost, now) or 0)
  local found = redis.call("HMGET", limits, "on" .. lane, "cn" .. lane, "oe", "ce")
  views[i] = {
    lane,
    lane_limits(lane).paused and "1" or "",
    count_ready(lane),
    count_slots(lane),
    at > 0 and int(at) or "",
    state.failures,
    found[1] or "",
    found[2] or "",
    found[3] or "",
    found[4] or "",
  }
end
return views
