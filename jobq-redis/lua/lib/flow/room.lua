-- Whether the queue as a whole has room while a call leases: by its own limits and by the one it shares.
local room = {}
do
  -- How many jobs may still be leased, and what is left of the rates.
  local places, meters

  -- When there is room again: nothing as long as there is, infinite if that is no matter of time.
  room.again_at = nil

  local function look_at_limits()
    local given, common = queue_limits(), shared_limit()
    places, meters = math.huge, {}
    if given.concurrency then
      places = given.concurrency - redis.call("ZCOUNT", leased, "-inf", "(+inf")
    end
    if common then
      if common.limits.concurrency then
        places = math.min(places, common.limits.concurrency - count_shared())
      end
      if common.limits.rate then
        meters[#meters + 1] = meter_of(common.limits.rate, common.state, common.name, present)
      end
    end
    if given.rate then
      meters[#meters + 1] = meter_of(given.rate, state_of(QUEUE), QUEUE, present)
    end
  end

  -- Whether one more job may run at once. If not, no lane is looked at.
  function room.has_slot()
    if not places then
      look_at_limits()
    end
    if places <= 0 then
      room.again_at = math.huge
      return false
    end
    return true
  end

  function room.has(cost)
    if not room.has_slot() then
      return false
    end
    for _, meter in ipairs(meters) do
      if not has_room(meter, cost) then
        settle_meter(meter)
        -- Never at once again: what is left might be rounded.
        room.again_at = room_at(meter.rate, meter.state, meter.name, cost, present) or present + 1
        return false
      end
    end
    return true
  end

  -- For how many jobs of cost 1 there is room at least.
  function room.left()
    if not places then
      look_at_limits()
    end
    local left = places
    for _, meter in ipairs(meters) do
      left = math.min(left, meter.left)
    end
    return left
  end

  -- So many jobs of a cost were leased.
  function room.use(cost, count)
    places = places - count
    for _, meter in ipairs(meters) do
      note_spent(meter, cost, count)
    end
  end

  -- Counts what was used.
  function room.write()
    for _, meter in ipairs(meters or {}) do
      settle_meter(meter)
    end
  end
end
