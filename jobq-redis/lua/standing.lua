-- standing: why a job is not running.
--
-- ARGV[1]  now in ms, or "" for the server's clock
-- ARGV[2]  id
--
-- Returns  nothing if the job is unknown; else its state, what keeps it from being leased, how many ready
--          jobs go before it, how many lanes have a ready job, and leases per 1000 s of late ("" if unknown).
--
-- What keeps it is a list of: word; instant at which it is over, or ""; a number, or the four of a rate
-- (how it counts, count, period, burst); and ids, of leased jobs, of who holds its key, or of the batch that was
-- called off, with its home.
local now = clock(ARGV[1])
local id = ARGV[2]
-- So many turns are looked at to find the next job.
local TURNS_LOOKED_AT = 16
local place = places_of({ id })[id]
if not place then
  return nil
end

local blocks = {}
local function block(word, at, ...)
  blocks[#blocks + 1] = { word, at and at < math.huge and int(at) or "", ... }
end

local function rate_block(word, at, rate)
  block(word, at, rate.counting, rate.count, int(rate.per), rate.burst)
end

local function holders_in(lane)
  local found = redis.call("ZRANGEBYLEX", slots, "[" .. lane .. "\0", "(" .. lane .. "\1", "LIMIT", 0, 10)
  for i, member in ipairs(found) do
    found[i] = id_of(string.sub(member, #lane + 2))
  end
  return found
end

-- Whether a lane has no room for its next job: its turn passes, and others go before it.
local function is_held_up(lane, cost)
  local given, state = lane_limits(lane), state_of(lane)
  local is_on_probation = given.breaker and state.failures >= given.breaker.failures
  local most = is_on_probation and 1 or given.concurrency
  return given.paused
    or state.rests_until > now
    or most and count_slots(lane) >= most
    or given.rate and room_at(given.rate, state, lane, cost, now)
end

-- The cost of the job that is next: as nobody overtakes, there must be room for that.
local function next_cost()
  for _, lane in ipairs(redis.call("ZRANGE", order, 0, TURNS_LOOKED_AT - 1)) do
    if lane == "" then
      break
    end
    local member = lane_members(lane, 1)[1]
    local cost = member and cost_in_member(lane, member) or 1
    if not is_held_up(lane, cost) then
      return cost
    end
  end
  local level = highest_unlaned()
  local entry = level and redis.call("LINDEX", ready_list(level), 0)
  local record = entry and record_of(string.sub(entry, 1, 16))
  return record and cost_of(record) or 1
end

local function queue_blocks(own_cost)
  local given, common = queue_limits(), shared_limit()
  local cost = own_cost
  if given.rate or common and common.limits.rate then
    cost = math.max(own_cost, next_cost())
  end
  if redis.call("HEXISTS", meta, "paused") == 1 then
    block("queue paused")
  end
  if given.concurrency and redis.call("ZCOUNT", leased, "-inf", "(+inf") >= given.concurrency then
    block("queue concurrency", nil, given.concurrency)
  end
  local at = given.rate and room_at(given.rate, state_of(QUEUE), QUEUE, cost, now)
  if at then
    rate_block("queue rate", at, given.rate)
  end
  if common then
    local rate, most = common.limits.rate, common.limits.concurrency
    local shared_at = rate and room_at(rate, common.state, common.name, cost, now)
    if shared_at or most and count_shared() >= most then
      block("shared", shared_at, common.name)
    end
  end
end

-- Everything that holds up a lane, not only the first thing.
local function lane_blocks(lane, cost)
  local given, state = lane_limits(lane), state_of(lane)
  local is_on_probation = given.breaker and state.failures >= given.breaker.failures
  if given.paused then
    block("lane paused")
  end
  if state.rests_until > now then
    block("lane rests", state.rests_until, is_on_probation and state.failures or 0)
  end
  local most = is_on_probation and 1 or given.concurrency
  if most and count_slots(lane) >= most then
    block("lane concurrency", nil, most, unpack(holders_in(lane)))
  end
  local at = given.rate and room_at(given.rate, state, lane, cost, now)
  if at then
    rate_block("lane rate", at, given.rate)
  end
end

local function called_off_block()
  if is_called_off(id, place.record) then
    local batch, home_of_it = batch_of(place.record)
    block("called off", nil, batch .. home_of_it)
  end
end

-- What will keep a job from being leased also when its time has come.
local function lasting_blocks(lane)
  if redis.call("HEXISTS", meta, "paused") == 1 then
    block("queue paused")
  end
  if lane_limits(lane).paused then
    block("lane paused")
  end
  called_off_block()
end

local function count_ahead(record)
  local member = redis.call("HGET", places_in, id)
  local lane = lane_of(record)
  if member then
    return redis.call("ZLEXCOUNT", laned, "[" .. lane .. "\0", "(" .. member)
  end
  local ahead, own = 0, level_of(record)
  for level = 15, own + 1, -1 do
    ahead = ahead + redis.call("LLEN", ready_list(level))
  end
  local position = redis.call("LPOS", ready_list(own), entry_of(id))
  return ahead + (position or 0)
end

local ahead, lanes_waiting = 0, 0
local record = place.record
local lane = lane_of(record)
local is_due = place.state == "scheduled" and tonumber(place.at) <= now
if place.state == "scheduled" and not is_due then
  block("not due", tonumber(place.at))
  lasting_blocks(lane)
elseif place.state == "waiting" then
  block("parents", nil, unpack(kin.unmet_parents(id)))
  lasting_blocks(lane)
elseif place.state == "ready" or is_due then
  queue_blocks(cost_of(record))
  if lane ~= "" then
    lane_blocks(lane, cost_of(record))
  end
  called_off_block()
  local is_aside = redis.call("ZSCORE", held_back, "l" .. lane .. "\0" .. id)
  local holder = is_held_back(record) or is_aside and redis.call("HGET", running, "n" .. digest_of(record))
  if holder then
    block("unique key", nil, holder)
  end
  ahead = (is_due or is_aside) and 0 or count_ahead(record)
  lanes_waiting = redis.call("ZCARD", order) + redis.call("ZCARD", held_up)
  if redis.call("ZSCORE", order, lane) or redis.call("ZSCORE", held_up, lane) then
    lanes_waiting = lanes_waiting - 1
  end
end
return { place.state, blocks, ahead, lanes_waiting, lease_rate(now) }
