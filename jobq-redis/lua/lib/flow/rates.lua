-- What rates have counted. A state has `counting` and `per` (of which rate it is), `since` and `used`:
--
-- fixed    the window's start, what was leased in it
-- bucket   when that was so, what was missing from it, times the period
-- sliding  nothing, and the sum of all costs that were past the period when it last counted: the rest is in
--          `starts` (or the set that the state names), one entry for each instant with a lease, with the
--          sum of all costs up to then; of those that are past the period the last one stays, to subtract
--
-- What was counted more than a period from now is of a clock that was put back, and counts for nothing.
--
-- What is missing from a bucket is counted in parts of 1/period: whole numbers, and exact up to 2^53.
local END_OF_TIME = 2 ^ 53
local missing_now, room_at, meter_of, has_room, note_spent, settle_meter
do
  -- What a job of this cost takes from a rate: one that costs more than all there is takes all.
  local function taken_by(rate, cost)
    return math.min(cost, rate.counting == BUCKET and rate.burst or rate.count)
  end

  local function instants_of(name)
    return name .. QUEUE
  end

  local function packed_instant(at)
    return struct.pack(">I8", at)
  end

  -- The sum of an entry, and its instant.
  local function sum_in(entry, prefix)
    local at, sum = struct.unpack(">I8I8", entry, #prefix + 1)
    return sum, at
  end

  -- The newest entry before an instant.
  local function newest_before(set, prefix, at)
    local to, from = "(" .. prefix .. packed_instant(at), "[" .. prefix
    return redis.call("ZREVRANGEBYLEX", set, to, from, "LIMIT", 0, 1)[1]
  end

  -- Whether a state is of this rate: one of another way of counting or another period counts for nothing.
  local function is_of(state, rate)
    return state.counting == rate.counting and state.per == rate.per
  end

  -- The start of the window that is now; a clock that was set back leaves it where it was for a while.
  local function window_of(rate, state, now)
    local window = now - now % rate.per
    if is_of(state, rate) and state.since > window and state.since <= window + rate.per then
      return state.since
    end
    return window
  end

  local function used_in_window(rate, state, window)
    return is_of(state, rate) and state.since == window and state.used or 0
  end

  function missing_now(rate, state, now)
    if not is_of(state, rate) or state.since > now + rate.per then
      return 0
    end
    return math.max(state.used - math.max(now - state.since, 0) * rate.count, 0)
  end

  -- What a sliding rate counts now: the sum of all costs, and of those that are past the period.
  local function sliding_of(rate, state, name, now)
    if not state.sliding then
      local prefix, set = instants_of(name), state.set or starts
      local sliding = { sum = 0, past = 0, prefix = prefix, set = set }
      if is_of(state, rate) then
        local past = newest_before(set, prefix, now - rate.per + 1)
        local newest = newest_before(set, prefix, now + rate.per + 1)
        if newest then
          sliding.sum, sliding.at = sum_in(newest, prefix)
          -- A clock that was put back may find none that is past.
          sliding.past = past and sum_in(past, prefix) or state.used
        end
      end
      state.sliding = sliding
    end
    return state.sliding
  end

  -- When a sliding rate has room again: when enough of what it counts is as old as the period.
  local function sliding_room_at(rate, sliding, cost, now)
    local needed, prefix, STEP = sliding.sum + cost - rate.count, sliding.prefix, 100
    local from = "[" .. prefix .. packed_instant(now - rate.per + 1)
    local to = "(" .. prefix .. packed_instant(now + rate.per + 1)
    local last_at = now
    for skip = 0, 1900, STEP do
      local entries = redis.call("ZRANGEBYLEX", sliding.set, from, to, "LIMIT", skip, STEP)
      for _, entry in ipairs(entries) do
        local sum, at = sum_in(entry, prefix)
        last_at = at
        if sum >= needed then
          return at + rate.per
        end
      end
    end
    -- No sooner than this; then it is looked at again.
    return last_at + rate.per
  end

  -- When a rate has room for a cost: nothing if it has now.
  function room_at(rate, state, name, cost, now)
    if rate.counting == FIXED then
      local window = window_of(rate, state, now)
      if used_in_window(rate, state, window) + taken_by(rate, cost) > rate.count then
        return window + rate.per
      end
    elseif rate.counting == BUCKET then
      local over = missing_now(rate, state, now) + (taken_by(rate, cost) - rate.burst) * rate.per
      if over > 0 then
        return now + math.ceil(over / rate.count)
      end
    else
      local sliding = sliding_of(rate, state, name, now)
      cost = taken_by(rate, cost)
      if sliding.sum - sliding.past + cost > rate.count then
        return sliding_room_at(rate, sliding, cost, now)
      end
    end
  end

  local function spend_sliding(rate, state, name, taken, now)
    local sliding = sliding_of(rate, state, name, now)
    local prefix, set = sliding.prefix, sliding.set
    local dropped = is_of(state, rate) and packed_instant(now + rate.per + 1) or ""
    redis.call("ZREMRANGEBYLEX", set, "[" .. prefix .. dropped, "(" .. prefix .. packed_instant(END_OF_TIME))
    -- Entries are in the order of their instants, also if the clock was set back.
    local at = math.max(now, sliding.at or 0)
    local known = sliding.at == at and prefix .. packed_instant(at) .. packed_instant(sliding.sum)
    sliding.at, sliding.sum = at, sliding.sum + taken
    redis.call("ZADD", set, 0, prefix .. packed_instant(at) .. packed_instant(sliding.sum))
    if known then
      redis.call("ZREM", set, known)
    end
    local past = newest_before(set, prefix, now - rate.per + 1)
    if past then
      redis.call("ZREMRANGEBYLEX", set, "[" .. prefix, "(" .. past)
    end
  end

  local function spend(rate, state, name, taken, now)
    if rate.counting == FIXED then
      local window = window_of(rate, state, now)
      state.used = used_in_window(rate, state, window) + taken
      state.since = window
    elseif rate.counting == BUCKET then
      state.used = missing_now(rate, state, now) + taken * rate.per
      local is_behind = is_of(state, rate) and state.since > now and state.since <= now + rate.per
      state.since = is_behind and state.since or now
    else
      spend_sliding(rate, state, name, taken, now)
      state.used = state.sliding.past
    end
    state.counting, state.per, state.is_changed = rate.counting, rate.per, true
  end

  local function left_of(rate, state, name, now)
    if rate.counting == FIXED then
      return rate.count - used_in_window(rate, state, window_of(rate, state, now))
    elseif rate.counting == BUCKET then
      return math.floor(rate.burst - missing_now(rate, state, now) / rate.per)
    end
    local sliding = sliding_of(rate, state, name, now)
    return rate.count - (sliding.sum - sliding.past)
  end

  -- A rate while a call leases under it: what is left is worked out once, and what was taken is counted
  -- all at once, by `settle_meter`.
  function meter_of(rate, state, name, now)
    return { rate = rate, state = state, name = name, now = now, left = left_of(rate, state, name, now), taken = 0 }
  end

  function has_room(meter, cost)
    return taken_by(meter.rate, cost) <= meter.left
  end

  function note_spent(meter, cost, count)
    local taken = taken_by(meter.rate, cost) * count
    meter.left, meter.taken = meter.left - taken, meter.taken + taken
  end

  function settle_meter(meter)
    if meter.taken > 0 then
      spend(meter.rate, meter.state, meter.name, meter.taken, meter.now)
      meter.taken = 0
    end
  end
end
