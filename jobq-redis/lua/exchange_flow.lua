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

local meta_found = redis.call("HMGET", meta, "paused", "members")
local is_paused = meta_found[1]
-- Whether there is nothing in this queue but limits and jobs without lanes, keys or families that all went
-- well: it costs one look, and saves many.
local is_quiet = (meta_found[2] or "0") == "0"
  and redis.call("EXISTS", facts, reports, marks, results, gone, order, held_up, slots, running, held_back, waiting,
    KEYS[45], KEYS[46], KEYS[51], KEYS[52]) == 0

local ids, records, lanes_of_taken = {}, {}, {}
local expires_at = later(now, duration)
-- Lanes and entries that may still be looked at, and bytes of records that may still be sent.
local looks_left, bytes_left = limit + 1000, 4 * 1024 * 1024
-- So many records are read at once: even the largest keep the server for a few ms only.
local PIECE = 64

local function has_time()
  return #ids < limit and looks_left > 0 and bytes_left > 0 and not room.again_at
end

-- Jobs that were called off with their batch: they end once they are out of where they waited. That may
-- make others ready, in the very same place.
local called_off_jobs = {}
local function end_called_off()
  for _, job in ipairs(called_off_jobs) do
    finish(job[1], job[2], cancelled, now)
    free_place(job[1], job[2])
  end
  called_off_jobs = {}
end

-- Takes a ready job out of the way if it may not be leased though its lane may: its key is held by a
-- running one ("held back"), or its batch was called off ("called off").
local function set_aside(id, record)
  if is_plain_record(record) then
    return nil
  elseif is_held_back(record) then
    hold_back(id, record)
    return "held back"
  elseif is_called_off(id, record) then
    called_off_jobs[#called_off_jobs + 1] = { id, record }
    return "called off"
  end
end

local function take(id, record, lane, cost)
  ids[#ids + 1] = id
  records[#records + 1] = record
  lanes_of_taken[#ids] = lane
  bytes_left = bytes_left - #record
  room.use(cost, 1)
  if not is_plain_record(record) then
    start_with_key(id, record)
  end
end

local first_token, tokens_left, written = 0, 0, 0

-- Leases the jobs taken since the last time.
local function write_leases()
  if written == #ids then
    return
  end
  if tokens_left == 0 then
    -- As many as this call may need. Those that it does not are left out.
    first_token = redis.call("HINCRBY", meta, "token", limit) - limit + 1
    tokens_left = limit
  end
  for from = written + 1, #ids, 1000 do
    local to = math.min(from + 999, #ids)
    local members, taken = { "+inf", SENTINEL }, {}
    for i = from, to do
      local member = struct.pack(">I8", first_token + i - 1) .. ids[i] .. worker
      members[#members + 1] = expires_at
      members[#members + 1] = member
      if lanes_of_taken[i] then
        taken[#taken + 1] = "0"
        taken[#taken + 1] = lanes_of_taken[i] .. "\0" .. member
      end
    end
    redis.call("ZADD", leased, unpack(members))
    if #taken > 0 then
      redis.call("ZADD", slots, unpack(taken))
    end
    if not is_quiet then
      changed_all({ unpack(ids, from, to) })
    end
  end
  written = #ids
end

-- Takes the first jobs of a list as long as nothing is to be asked about them but whether there is room for
-- one more; says how many.
local function take_plain(wanted, found)
  local most = math.min(room.left(), limit - #ids)
  local count, bytes = 0, bytes_left
  for i, record in ipairs(found) do
    if i > most or bytes <= 0 or not record or not is_plain_record(record) then
      break
    end
    count = i
    ids[#ids + 1] = wanted[i]
    records[#records + 1] = record
    bytes = bytes - #record
  end
  bytes_left = bytes
  looks_left = looks_left - count
  room.use(1, count)
  return count
end

-- Takes jobs that entries of a list stand for, from the first on; says how many entries are done with. An
-- entry has its generation also when what it was to be told from has been dropped.
local function take_entries(entries, may_be_left_over)
  local wanted = {}
  for i, entry in ipairs(entries) do
    wanted[i] = #entry > 16 and string.sub(entry, 1, 16) or entry
  end
  local found = redis.call("HMGET", jobs, unpack(wanted))
  for i, record in ipairs(found) do
    found[i] = record and readable(record)
  end
  local done = may_be_left_over and 0 or take_plain(wanted, found)
  for i = done + 1, #entries do
    if not has_time() then
      return i - 1
    end
    local record = found[i]
    if not (may_be_left_over and drop_if_left_over(entries[i])) and record then
      local cost = cost_of(record)
      if not room.has(cost) then
        return i - 1
      end
      if not set_aside(wanted[i], record) then
        take(wanted[i], record, nil, cost)
      end
    end
    looks_left = looks_left - 1
  end
  return #entries
end

-- Jobs without a lane while no lane waits, a piece of a list at a time; says whether there may be more.
local function lease_unlaned()
  local may_be_left_over = not is_quiet and redis.call("EXISTS", gone) == 1
  local in_use = redis.call("ZREVRANGE", levels, 0, -1)
  for i, level in ipairs(in_use) do
    local list = ready_list(tonumber(level))
    repeat
      local want = math.min(limit - #ids, looks_left, PIECE)
      local entries = redis.call("LRANGE", list, 0, want)
      local is_last = #entries <= want
      entries[want + 1] = nil
      local done = 0
      if #entries > 0 then
        done = take_entries(entries, may_be_left_over)
        write_leases()
        redis.call("LTRIM", list, done, -1)
        end_called_off()
      end
      if room.again_at then
        return true
      elseif not has_time() then
        return done < #entries or not is_last or i < #in_use
      end
    until is_last
    if not is_quiet and redis.call("LLEN", list) > 0 then
      return true
    end
    redis.call("ZREM", levels, level)
  end
  return false
end

-- What ends may make others ready: the order must be as it is for the others meanwhile.
local function end_called_off_between_turns()
  write_leases()
  turns.write()
  turns.forget()
  end_called_off()
end

local function serve_lane(turn)
  local member, record = turns.first_job(turn)
  if not member then
    turns.leave(turn)
    return
  end
  local id, cost = id_in_member(member), cost_in_member(turn.lane, member)
  local at = turns.hold_up_at(turn, cost)
  if at then
    turns.hold_up(turn, at, turn.level)
    return
  elseif not room.has(cost) then
    turns.put_back(turn, turn.level)
    return
  end
  local why = record and set_aside(id, record)
  local following = turns.drop_first(turn, why == "held back")
  if why == "called off" then
    end_called_off_between_turns()
    shrank(turn.lane)
    return
  end
  if record and not why then
    take(id, record, turn.lane, cost)
    turns.use(turn, cost)
    at = following and turns.hold_up_at(turn, cost_in_member(turn.lane, following))
  end
  if not following then
    turns.leave(turn)
  elseif at then
    turns.hold_up(turn, at, level_in_member(turn.lane, following))
  else
    turns.put_back(turn, level_in_member(turn.lane, following))
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

-- Jobs without a lane have turns as if they were a lane, as long as there are lanes.
local function serve_unlaned(turn)
  local list = ready_list(turn.level)
  local id = first_live(list)
  local record = id and record_of(id)
  if record then
    local cost = cost_of(record)
    if not room.has(cost) then
      turns.put_back(turn, turn.level)
      return
    end
    local why = set_aside(id, record)
    if not why then
      take(id, record, nil, cost)
      turns.use(turn, cost)
      write_leases()
    end
    redis.call("LPOP", list)
    if why == "called off" then
      end_called_off_between_turns()
      local highest = level_of_unlaned()
      if not highest then
        redis.call("ZREM", order, "")
      elseif highest ~= turn.level then
        line_up("", highest, true)
      end
      return
    end
  end
  local highest = level_of_unlaned()
  if highest then
    turns.put_back(turn, highest)
  else
    turns.leave(turn)
  end
end

-- Leases lane by lane; says whether there may be more.
local function lease_in_turns()
  while has_time() and room.has_slot() do
    local turn = turns.take(limit - #ids)
    if not turn then
      break
    end
    looks_left = looks_left - 1
    if turn.lane == "" then
      serve_unlaned(turn)
    else
      serve_lane(turn)
    end
  end
  write_leases()
  turns.write()
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

local lost = complete({ unpack(ARGV, FIRST_MEMBER) }, now, is_quiet)
local first_due, first_expiry = head(scheduled), head(leased)
if math.min(first_due, first_expiry) <= now then
  is_quiet = false
  promote(now, promote_limit)
  reclaim(now, reclaim_limit)
end
if limit == 0 or is_paused then
  keep_states()
  return { lost, {}, {}, {}, 0, 0, "", {}, has_notes() and "1" or "" }
end
local more
if is_quiet then
  more = lease_unlaned()
else
  bring_back()
  more = any_lane_waits() and lease_in_turns()
  if not more and #ids < limit and not room.again_at and not any_lane_waits() then
    more = lease_unlaned()
  end
end
local first_back = math.huge
if not is_quiet then
  first_due, first_expiry, first_back = head(scheduled), head(leased), head(held_up)
elseif #ids > 0 then
  first_expiry = math.min(first_expiry, tonumber(expires_at))
end
-- This worker may not come back soon: another one should see to what is left, or to what comes first.
if (more and not room.again_at) or (#ids == limit and (more or math.min(first_due, first_back) < math.huge)) then
  wake_one()
end
local next_in = ""
if #ids < limit then
  local first_at = math.min(first_due, first_expiry, first_back)
  if room.again_at then
    first_at = math.min(first_due, first_expiry, room.again_at)
  elseif more then
    first_at = now
  end
  next_in = first_at < math.huge and int(math.max(first_at - now, 0)) or ""
end
room.write()
keep_states()
keep_shared()
local known, cursors = {}, {}
if tokens_left > #ids then
  redis.call("HINCRBY", meta, "token", #ids - tokens_left)
end
if #ids > 0 and not is_quiet then
  known = redis.call("HMGET", facts, unpack(ids))
  cursors = redis.call("HMGET", results, unpack(ids))
end
return { lost, ids, records, known, first_token, expires_at, next_in, cursors, not is_quiet and has_notes() and "1" or "" }
