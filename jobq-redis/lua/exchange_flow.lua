-- exchange_flow: complete jobs that leave nothing behind, then lease ready ones, lane by lane and within
-- their limits. It is `exchange` for queues with flow control.
--
-- ARGV[1]   now in ms, or "" for the server's clock
-- ARGV[2]   worker: 8 bytes
-- ARGV[3]   the most jobs to lease; "0" for none
-- ARGV[4]   how long the leases last, in ms
-- ARGV[5]   the most scheduled jobs to promote
-- ARGV[6]   the most expired leases to reclaim
-- ARGV[7+]  leases to complete: members of the leased set
--
-- Returns   1 the positions of completed leases that had been lost
--           2 ids  3 records  4 facts (empty if there are none)
--           5 the token of the first lease; the others count on from it
--           6 when the leases expire
--           7 ms until something is due, expires or has room; "" if unknown or nothing is
--           8 checkpoints (empty if there are none)
--           9 "1" if there are notes to deliver from here
local now = clock(ARGV[1])
local worker, limit, duration = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local promote_limit, reclaim_limit = tonumber(ARGV[5]), tonumber(ARGV[6])
local FIRST_MEMBER = 7
-- Up to 128 members without a long one are stored as a list that is searched from end to end.
local SENTINEL = string.rep("~", 72)

begin()

-- Completing

local function complete()
  local lost, members, ids = {}, {}, {}
  if #ARGV < FIRST_MEMBER then
    return lost
  end
  for i, score in ipairs(redis.call("ZMSCORE", leased, unpack(ARGV, FIRST_MEMBER))) do
    if score then
      members[#members + 1] = ARGV[FIRST_MEMBER + i - 1]
      ids[#ids + 1] = id_of(members[#members])
    else
      lost[#lost + 1] = i
    end
  end
  if #members == 0 then
    return lost
  end
  redis.call("ZREM", leased, unpack(members))
  -- Only what hangs on others must be read for it.
  if redis.call("EXISTS", slots, running) > 0 or has_families() then
    local ended = redis.call("HMGET", jobs, unpack(ids))
    family_told_of_completed(ids, ended, now)
    for i, record in ipairs(ended) do
      if record then
        lane_succeeded(lane_of(record))
        lease_ended(ids[i], record, members[i], now)
      end
    end
  elseif queue_limits().concurrency or shared_limit() then
    wake_one()
    wake_shared()
  end
  redis.call("HDEL", jobs, unpack(ids))
  forget(ids)
  return lost
end

-- Leasing

local ids, records, slots_taken = {}, {}, {}
local expires_at = later(now, duration)
-- Lanes and entries that may still be looked at, and bytes of records that may still be sent.
local looks_left, bytes_left = limit + 1000, 4 * 1024 * 1024
-- So many records are read at once: even the largest keep the server for a few ms only.
local PIECE = 64
-- When the queue as a whole has room again: infinite if that is no matter of time.
local queue_room_at
local running_before

-- Whether one more job of the queue may be leased at once. If not, no lane is looked at.
local function has_queue_slot()
  local given, limit_shared = queue_limits(), shared_limit()
  local common = limit_shared and limit_shared.limits or {}
  if given.concurrency then
    running_before = running_before or redis.call("ZCOUNT", leased, "-inf", "(+inf")
    if running_before + #ids >= given.concurrency then
      queue_room_at = math.huge
      return false
    end
  end
  if common.concurrency then
    limit_shared.running = limit_shared.running or count_shared()
    if limit_shared.running + #ids >= common.concurrency then
      queue_room_at = math.huge
      return false
    end
  end
  return true
end

-- Whether the queue has room for one more job of this cost.
local function has_queue_room(cost)
  if not has_queue_slot() then
    return false
  end
  local given, limit_shared = queue_limits(), shared_limit()
  local common = limit_shared and limit_shared.limits or {}
  if common.rate then
    local at = room_at(common.rate, limit_shared.state, limit_shared.name, cost, now)
    if at then
      queue_room_at = at
      return false
    end
  end
  if given.rate then
    local at = room_at(given.rate, state_of(QUEUE), QUEUE, cost, now)
    if at then
      queue_room_at = at
      return false
    end
  end
  return true
end

-- Takes a ready job out of the way if it may not be leased though its lane may: its key is held by a
-- running one, or its batch was called off.
local called_off_jobs = {}
local function is_set_aside(id, record)
  if is_held_back(record) then
    hold_back(id, record)
    return true
  end
  if is_called_off(id, record) then
    table.insert(called_off_jobs, { id, record })
    return true
  end
  return false
end

-- Ends the jobs that were called off, once they are out of where they waited: that may make others ready,
-- in the very same place.
local function end_called_off()
  for _, job in ipairs(called_off_jobs) do
    finish(job[1], job[2], cancelled, now)
    free_place(job[1], job[2])
  end
  called_off_jobs = {}
end

local first_token, tokens_left = 0, 0

-- Leases the jobs taken from this one on.
local function write_leases(from)
  if tokens_left < #ids - from + 1 then
    -- As many as this call may need. Those that it does not are left out.
    first_token = redis.call("HINCRBY", meta, "token", limit) - limit + 1
    tokens_left = limit
  end
  local members, taken = { "+inf", SENTINEL }, {}
  for i = from, #ids do
    local member = struct.pack(">I8", first_token + i - 1) .. ids[i] .. worker
    members[#members + 1] = expires_at
    members[#members + 1] = member
    if slots_taken[i] ~= "" then
      taken[#taken + 1] = 0
      taken[#taken + 1] = slots_taken[i] .. "\0" .. member
    end
  end
  redis.call("ZADD", leased, unpack(members))
  if #taken > 0 then
    redis.call("ZADD", slots, unpack(taken))
  end
  if from == #ids then
    changed(ids[from])
  else
    changed_all({ unpack(ids, from) })
  end
end

local function take(id, record, lane, cost)
  ids[#ids + 1] = id
  records[#records + 1] = record
  bytes_left = bytes_left - #record
  slots_taken[#ids] = lane
  start_with_key(id, record)
  local given, limit_shared = queue_limits(), shared_limit()
  if given.rate then
    spend(given.rate, state_of(QUEUE), QUEUE, cost, now)
  end
  if limit_shared and limit_shared.limits.rate then
    spend(limit_shared.limits.rate, limit_shared.state, limit_shared.name, cost, now)
  end
end

-- The first entry of a list that stands for a job; those before it are dropped.
local function first_live(list)
  while looks_left > 0 do
    local entry = redis.call("LINDEX", list, 0)
    if not entry or not drop_if_left_over(entry) then
      return entry and string.sub(entry, 1, 16)
    end
    redis.call("LPOP", list)
    looks_left = looks_left - 1
  end
end

-- Jobs without a lane while no lane waits, a piece of a list at a time; says whether there may be more.
local function lease_unlaned()
  for _, level in ipairs(redis.call("ZREVRANGE", levels, 0, -1)) do
    local list = ready_list(tonumber(level))
    repeat
      local want = math.min(limit - #ids, looks_left, PIECE)
      local entries = redis.call("LRANGE", list, 0, want)
      local is_last = #entries <= want
      entries[want + 1] = nil
      local found = {}
      if #entries > 0 then
        local wanted = {}
        for i, entry in ipairs(entries) do
          wanted[i] = string.sub(entry, 1, 16)
        end
        found = redis.call("HMGET", jobs, unpack(wanted))
      end
      local done, first_taken = 0, #ids + 1
      for i, entry in ipairs(entries) do
        if #ids == limit or bytes_left <= 0 then
          break
        end
        if not drop_if_left_over(entry) and found[i] then
          local id, record = string.sub(entry, 1, 16), found[i]
          local cost = cost_of(record)
          if not has_queue_room(cost) then
            break
          end
          if not is_set_aside(id, record) then
            take(id, record, "", cost)
          end
        end
        done = i
      end
      if #ids >= first_taken then
        write_leases(first_taken)
      end
      if done > 0 then
        redis.call("LTRIM", list, done, -1)
        looks_left = looks_left - done
        end_called_off()
      end
      if queue_room_at then
        return true
      end
      if #ids == limit or looks_left <= 0 or bytes_left <= 0 then
        return redis.call("LLEN", list) > 0 or (highest_unlaned() ~= nil)
      end
    until is_last
    if redis.call("LLEN", list) > 0 then
      return true
    end
    redis.call("ZREM", levels, level)
  end
  return false
end

-- The lane was served at this tag: its next turn is one turn later.
local function served(lane, level, tag)
  redis.call("HSET", meta, "v" .. level, int(tag))
  virtual_times[level] = tag
  local state = state_of(lane)
  state.level, state.tag, state.leased_at = level, tag + turn_of(lane), now
  state.is_changed = true
end

local function serve_unlaned(level, tag)
  local list = ready_list(level)
  local id = first_live(list)
  local record = id and redis.call("HGET", jobs, id)
  local is_served = false
  if record then
    local cost = cost_of(record)
    if not has_queue_room(cost) then
      return
    end
    if not is_set_aside(id, record) then
      take(id, record, "", cost)
      write_leases(#ids)
      served("", level, tag)
      is_served = true
    end
    redis.call("LPOP", list)
    end_called_off()
  end
  local highest = level_of_unlaned()
  if not highest then
    redis.call("ZREM", order, "")
  elseif highest ~= level then
    line_up("", highest, true)
  elseif is_served then
    redis.call("ZADD", order, int((15 - level) * SPAN + state_of("").tag), "")
  end
end

local running_in = {}

local function serve_lane(lane, level, tag)
  local members = lane_members(lane, 2)
  local member, following = members[1], members[2]
  if not member then
    stop_waiting(lane)
    return
  end
  local id, cost = id_in_member(member), cost_in_member(lane, member)
  running_in[lane] = running_in[lane] or count_slots(lane)
  local at = hold_up_of(lane, cost, running_in[lane], now)
  if at then
    hold_up(lane, at)
    return
  end
  if not has_queue_room(cost) then
    return
  end
  local record = redis.call("HGET", jobs, id)
  redis.call("HDEL", places_in, id)
  local is_served = false
  if record and not is_set_aside(id, record) then
    take(id, record, lane, cost)
    write_leases(#ids)
    local rate = lane_limits(lane).rate
    if rate then
      spend(rate, state_of(lane), lane, cost, now)
    end
    running_in[lane] = running_in[lane] + 1
    served(lane, level, tag)
    is_served = true
  end
  redis.call("ZREM", laned, member)
  if called_off_jobs[1] then
    end_called_off()
    following = lane_members(lane, 1)[1]
  end
  if not following then
    stop_waiting(lane)
    return
  end
  local next_level = level_in_member(lane, following)
  if next_level ~= level then
    line_up(lane, next_level, true)
  elseif is_served then
    redis.call("ZADD", order, int((15 - level) * SPAN + state_of(lane).tag), lane)
  end
  if is_served then
    local later_at = hold_up_of(lane, cost_in_member(lane, following), running_in[lane], now)
    if later_at then
      hold_up(lane, later_at)
    end
  end
end

-- Leases lane by lane; says whether there may be more.
local function lease_in_turns()
  while #ids < limit and looks_left > 0 and bytes_left > 0 and not queue_room_at and has_queue_slot() do
    local first = redis.call("ZRANGE", order, 0, 0, "WITHSCORES")
    local lane, score = first[1], tonumber(first[2])
    if not lane then
      return false
    end
    looks_left = looks_left - 1
    local level = level_in(score)
    if lane == "" then
      serve_unlaned(level, score % SPAN)
    else
      serve_lane(lane, level, score % SPAN)
    end
  end
  return redis.call("EXISTS", order) == 1
end

-- Lanes whose time has come are in the order again.
local function bring_back()
  local due = redis.call("ZRANGEBYSCORE", held_up, "-inf", int(now), "LIMIT", 0, 1000)
  for _, lane in ipairs(due) do
    come_back(lane)
  end
  return #due
end

local function head(set)
  return tonumber(redis.call("ZRANGE", set, 0, 0, "WITHSCORES")[2] or "inf") or math.huge
end

local lost = complete()
if math.min(head(scheduled), head(leased)) <= now then
  promote(now, promote_limit)
  reclaim(now, reclaim_limit)
end
if limit == 0 or redis.call("HEXISTS", meta, "paused") == 1 then
  keep_states()
  return { lost, {}, {}, {}, 0, 0, "", {}, has_notes() and "1" or "" }
end
bring_back()
local more
if any_lane_waits() then
  more = lease_in_turns()
  if not more and not queue_room_at and #ids < limit and not any_lane_waits() then
    more = lease_unlaned()
  end
else
  more = lease_unlaned()
end
local first_back = head(held_up)
-- This worker may not come back soon: another one should see to what is left, or to what comes first.
if (more and not queue_room_at) or (#ids == limit and (more or math.min(head(scheduled), first_back) < math.huge)) then
  wake_one()
end
local next_in = ""
if #ids < limit then
  local first_at = math.min(head(scheduled), head(leased), first_back)
  if queue_room_at then
    first_at = math.min(head(scheduled), head(leased), queue_room_at)
  elseif more then
    first_at = now
  end
  next_in = first_at < math.huge and int(math.max(first_at - now, 0)) or ""
end
keep_states()
keep_shared()
local known, cursors = {}, {}
if tokens_left > #ids then
  redis.call("HINCRBY", meta, "token", #ids - tokens_left)
end
if #ids > 0 then
  known = redis.call("HMGET", facts, unpack(ids))
  cursors = redis.call("HMGET", results, unpack(ids))
end
return { lost, ids, records, known, first_token, expires_at, next_in, cursors, has_notes() and "1" or "" }
