-- Whose turn it is while a call leases. The front of the order is read a piece at a time, with the jobs
-- that are first in each lane; turns change it here alone, and `write` says so to the server all at once. What
-- else may change the order is done between `write` and `forget`.
local turns = {}
do
  -- So many records are read at once: even the largest keep the server for a few ms only.
  local PIECE = 64

  -- Of what was read: the turns as they were, in order, and which is next; and a heap of those that were put back.
  --
  -- A turn: lane, level and score; members, the first jobs of the lane; of these, how many records were read,
  -- and which is next; once it was looked at, how many jobs of the lane run and how many more may.
  local as_read, next_read, heap = {}, 1, {}
  local has_all, read_to = false, 0
  local left, unused, resting, meters = {}, {}, {}, {}
  local dropped_members, dropped_places = {}, {}

  -- Byte by byte, as the server sorts: Lua's `<` goes by the locale.
  local function is_before(a, b)
    for i = 1, math.min(#a, #b) do
      local byte_of_a, byte_of_b = string.byte(a, i), string.byte(b, i)
      if byte_of_a ~= byte_of_b then
        return byte_of_a < byte_of_b
      end
    end
    return #a < #b
  end

  local function goes_before(a, b)
    return a.score < b.score or (a.score == b.score and is_before(a.lane, b.lane))
  end

  local function push(turn)
    local at = #heap + 1
    while at > 1 do
      local above = math.floor(at / 2)
      if not goes_before(turn, heap[above]) then
        break
      end
      heap[at], at = heap[above], above
    end
    heap[at] = turn
  end

  local function pop()
    local first, last = heap[1], table.remove(heap)
    local size, at = #heap, 1
    if size > 0 then
      while at * 2 <= size do
        local below = at * 2
        if below < size and goes_before(heap[below + 1], heap[below]) then
          below = below + 1
        end
        if not goes_before(heap[below], last) then
          break
        end
        heap[at], at = heap[below], below
      end
      heap[at] = last
    end
    return first
  end

  -- Reads the next jobs of lanes, so many of each, and the name of one more.
  local function read_jobs(some, count)
    local ids = {}
    for _, turn in ipairs(some) do
      local members = turn.members
      local from = #members > 0 and "(" .. members[#members] or "[" .. turn.lane .. "\0"
      local to, wanted = "(" .. turn.lane .. "\1", turn.read + count + 1 - #members
      for _, member in ipairs(redis.call("ZRANGEBYLEX", laned, from, to, "LIMIT", "0", wanted)) do
        members[#members + 1] = member
      end
      turn.reads_to = math.min(turn.read + count, #members)
      for i = turn.read + 1, turn.reads_to do
        ids[#ids + 1] = id_in_member(members[i])
      end
    end
    local found = #ids > 0 and redis.call("HMGET", jobs, unpack(ids)) or {}
    local n = 0
    for _, turn in ipairs(some) do
      for i = turn.read + 1, turn.reads_to do
        n = n + 1
        turn.records[i] = found[n] and readable(found[n])
      end
      turn.read = turn.reads_to
    end
  end

  -- Reads the next turns of the order, now that none of those read is left.
  local function read_order(count)
    local found = redis.call("ZRANGE", order, read_to, read_to + count - 1, "WITHSCORES")
    local names, with_key = {}, {}
    as_read, next_read = {}, 1
    for i = 1, #found, 2 do
      local lane, score = found[i], tonumber(found[i + 1])
      local turn = {
        lane = lane,
        score = score,
        level = level_in(score),
        members = {},
        records = {},
        read = 0,
        reads_to = 0,
        next = 1,
        places = false,
        running = 0,
        meter = false,
        is_moved = false,
      }
      names[#names + 1], as_read[#as_read + 1] = lane, turn
      if lane ~= "" then
        with_key[#with_key + 1] = turn
      end
    end
    read_to, has_all = read_to + #as_read, #as_read < count
    read_states(names)
    read_limits(names)
    if #with_key > 0 then
      read_jobs(with_key, math.ceil(count / #with_key))
    end
  end

  -- The turn that is next, and whether it was put back.
  local function first_turn(want)
    if not as_read[next_read] and not has_all then
      read_order(want)
    end
    local read, back = as_read[next_read], heap[1]
    if read and not (back and goes_before(back, read)) then
      return read, false
    end
    return back, true
  end

  -- Takes the turn that is next out of the order, for a call that wants so many jobs; nothing if no lane waits.
  -- Jobs without a lane need no turns if they are all that waits.
  function turns.take(wanted)
    local want = math.min(wanted, PIECE)
    local turn, was_put_back = first_turn(want)
    if not turn then
      return nil
    elseif was_put_back then
      pop()
    else
      next_read = next_read + 1
    end
    if turn.lane == "" and not first_turn(want) and #resting == 0 and redis.call("EXISTS", held_up) == 0 then
      left[#left + 1] = ""
      return nil
    end
    return turn
  end

  -- The next job of a turn: its member, and its record if it has one.
  function turns.first_job(turn)
    if turn.next > turn.read then
      read_jobs({ turn }, math.min(2 * math.max(turn.read, 1), PIECE))
    end
    return turn.members[turn.next], turn.records[turn.next]
  end

  -- Takes the next job of a turn out of its lane; says which one follows.
  function turns.drop_first(turn, keeps_place)
    local member = turn.members[turn.next]
    dropped_members[#dropped_members + 1] = member
    if not keeps_place then
      dropped_places[#dropped_places + 1] = id_in_member(member)
    end
    turn.records[turn.next] = nil
    turn.next = turn.next + 1
    return turn.members[turn.next]
  end

  -- By when the lane of a turn may be served with a job of this cost: nothing if it may be now.
  function turns.hold_up_at(turn, cost)
    if not turn.places then
      local given, state = lane_limits(turn.lane), state_of(turn.lane)
      local most = given.concurrency or math.huge
      if given.breaker and state.failures >= given.breaker.failures then
        most = 1
      end
      turn.running = most < math.huge and count_slots(turn.lane) or 0
      turn.places = (given.paused or state.rests_until > present) and 0 or most - turn.running
      if given.rate then
        turn.meter = meter_of(given.rate, state, turn.lane, present)
        meters[#meters + 1] = turn.meter
      end
    end
    if turn.places > 0 and (not turn.meter or has_room(turn.meter, cost)) then
      return nil
    end
    if turn.meter then
      settle_meter(turn.meter)
    end
    -- Never at once again: what is worked out above might be rounded.
    return hold_up_of(turn.lane, cost, turn.running, present) or present + 1
  end

  -- The turn was used: the lane's next one is one turn later.
  function turns.use(turn, cost)
    local state = state_of(turn.lane)
    local tag = turn.score % SPAN
    pass(turn.level, tag)
    state.level, state.tag, state.leased_at = turn.level, tag + turn_of(turn.lane), present
    state.is_changed = true
    turn.score, turn.is_moved = score_of(turn.level, state.tag), true
    if turn.lane ~= "" then
      turn.running, turn.places = turn.running + 1, turn.places - 1
      if turn.meter then
        note_spent(turn.meter, cost, 1)
      end
    end
  end

  -- Puts a turn back, at this level from now on.
  function turns.put_back(turn, level)
    if level ~= turn.level then
      turn.score, turn.level, turn.is_moved = place_in_order(turn.lane, level, true), level, true
    end
    push(turn)
  end

  -- The lane of a turn may not be served before this instant, whatever it is next with.
  function turns.hold_up(turn, at, level)
    if level ~= turn.level then
      place_in_order(turn.lane, level, true)
    end
    left[#left + 1] = turn.lane
    resting[#resting + 1] = at == math.huge and "inf" or int(at)
    resting[#resting + 1] = turn.lane
  end

  -- The lane of a turn has nothing ready any more.
  function turns.leave(turn)
    left[#left + 1] = turn.lane
    if turn.lane ~= "" then
      -- The maintenance finds out from when on it may be forgotten.
      unused[#unused + 1] = "0"
      unused[#unused + 1] = "l" .. turn.lane
    end
  end

  local function moved_turns()
    local moved = {}
    for _, turn in ipairs(heap) do
      if turn.is_moved then
        moved[#moved + 1] = int(turn.score)
        moved[#moved + 1] = turn.lane
        turn.is_moved = false
      end
    end
    return moved
  end

  local function call_with(command, key, list)
    for from = 1, #list, 1000 do
      redis.call(command, key, unpack(list, from, math.min(from + 999, #list)))
    end
  end

  -- Writes down what has changed: additions first.
  function turns.write()
    call_with("ZADD", order, moved_turns())
    call_with("ZADD", held_up, resting)
    call_with("ZADD", idle, unused)
    call_with("ZREM", order, left)
    call_with("ZREM", laned, dropped_members)
    call_with("HDEL", places_in, dropped_places)
    for _, meter in ipairs(meters) do
      settle_meter(meter)
    end
    if #left > 0 then
      leave_unlaned_alone()
    end
    left, unused, resting, meters = {}, {}, {}, {}
    dropped_members, dropped_places = {}, {}
  end

  -- What follows reads the order anew.
  function turns.forget()
    as_read, next_read, heap, has_all, read_to = {}, 1, {}, false, 0
  end
end
