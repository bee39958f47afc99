-- exchange: complete jobs that leave nothing behind, then lease ready ones.
--
-- ARGV[1]   now in ms, or "" for the server's clock
-- ARGV[2]   worker: 8 bytes
-- ARGV[3]   the most jobs to lease; "0" for none
-- ARGV[4]   how long the leases last, in ms
-- ARGV[5]   the most scheduled jobs to promote
-- ARGV[6]   the most expired leases to reclaim
-- ARGV[7+]  leases to complete: members of the leased set
--
-- Returns   "flow" if the queue has flow control: nothing was done; else
--           1 the positions of completed leases that had been lost
--           2 ids  3 records  4 facts (empty if there are none)
--           5 the token of the first lease; the others count on from it
--           6 when the leases expire
--           7 ms until something is due or expires; "" if unknown or nothing is
--           8 checkpoints (empty if there are none)
local now = clock(ARGV[1])
local worker, limit, duration = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local promote_limit, reclaim_limit = tonumber(ARGV[5]), tonumber(ARGV[6])
local FIRST_MEMBER = 7
-- Up to 128 members without a long one are stored as a list that is searched from end to end.
local SENTINEL = string.rep("~", 72)

-- Whether anything went other than well in this queue: nearly never, and then it costs one look.
local is_plain = redis.call("EXISTS", facts, reports, marks, results, gone, flow) == 0
if not is_plain and redis.call("EXISTS", flow) == 1 then
  return "flow"
end

-- Whether a write that takes no memory has been made, as `begin()` is one.
local has_begun = false

local function complete_one()
  local member = ARGV[FIRST_MEMBER]
  has_begun = true
  if redis.call("ZREM", leased, member) == 0 then
    return { 1 }
  end
  redis.call("HDEL", jobs, id_of(member))
  if not is_plain then
    forget({ id_of(member) })
  end
  return {}
end

local function complete()
  if #ARGV < FIRST_MEMBER then
    return {}
  end
  if #ARGV == FIRST_MEMBER then
    return complete_one()
  end
  local scores = redis.call("ZMSCORE", leased, unpack(ARGV, FIRST_MEMBER))
  local members, ids, lost = {}, {}, {}
  for i, score in ipairs(scores) do
    local member = ARGV[FIRST_MEMBER + i - 1]
    if score then
      members[#members + 1] = member
      ids[#ids + 1] = id_of(member)
    else
      lost[#lost + 1] = i
    end
  end
  if #members > 0 then
    has_begun = true
    redis.call("ZREM", leased, unpack(members))
    redis.call("HDEL", jobs, unpack(ids))
    if not is_plain then
      forget(ids)
    end
  end
  return lost
end

local ids, records, first_token = {}, {}, 0
local expires_at = later(now, duration)
-- Entries that may still be looked at, and bytes of records that may still be sent: left-over entries
-- and large payloads must not make a call long.
local entries_left, bytes_left = limit + 1000, 4 * 1024 * 1024
-- So many records are read at once: even the largest keep the server for a few ms only.
local PIECE = 64

-- The ids that the entries of a list stand for, without those that are left over.
local function live_ids(entries)
  local live = {}
  for _, entry in ipairs(entries) do
    if is_plain or not drop_if_left_over(entry) then
      live[#live + 1] = #entry > 16 and string.sub(entry, 1, 16) or entry
    end
  end
  return live
end

-- Leases what these entries at the front of a list stand for.
local function hold(list, entries)
  local live = live_ids(entries)
  if #live > 0 then
    local found = redis.call("HMGET", jobs, unpack(live))
    local last = redis.call("HINCRBY", meta, "token", #live)
    local token = last - #live
    if #ids == 0 then
      first_token = token + 1
    end
    local members = { "+inf", SENTINEL }
    for i, id in ipairs(live) do
      ids[#ids + 1] = id
      records[#records + 1] = found[i]
      bytes_left = bytes_left - (found[i] and #found[i] or 0)
      members[#members + 1] = expires_at
      members[#members + 1] = struct.pack(">I8", token + i) .. id .. worker
    end
    redis.call("ZADD", leased, unpack(members))
    if not is_plain then
      changed_all(live)
    end
  end
  redis.call("LTRIM", list, #entries, -1)
  entries_left = entries_left - #entries
end

-- Leases from the ready lists, the highest priority first; says whether they may hold more.
local function lease(levels_in_use)
  for i, level in ipairs(levels_in_use) do
    local list = ready_list(tonumber(level))
    repeat
      local want = math.min(limit - #ids, entries_left, PIECE)
      -- One more than wanted: to know whether there is more.
      local entries = redis.call("LRANGE", list, 0, want)
      local is_last = #entries <= want
      entries[want + 1] = nil
      if #entries > 0 then
        hold(list, entries)
      end
      if #ids == limit or entries_left <= 0 or bytes_left <= 0 then
        return i < #levels_in_use or not is_last
      end
    until is_last
    redis.call("ZREM", levels, level)
  end
  return false
end

-- When the first job of a set is due; infinite if there is none.
local function head(set)
  return tonumber(redis.call("ZRANGE", set, 0, 0, "WITHSCORES")[2] or "inf") or math.huge
end

local lost = complete()
-- Idle workers come by often: what there is nothing of must cost them next to nothing.
local first_due = head(scheduled)
local first_at = math.min(first_due, head(leased))
local may_have_moved = first_at <= now
local may_have_reclaimed = may_have_moved
if may_have_moved then
  begin()
  promote(now, promote_limit)
  reclaim(now, reclaim_limit)
end
if limit == 0 then
  return { lost }
end
local cut_short = false
local levels_in_use = redis.call("ZREVRANGE", levels, 0, -1)
if #levels_in_use > 0 then
  if redis.call("HEXISTS", meta, "paused") == 1 then
    return { lost }
  end
  if not has_begun then
    begin()
  end
  local more = lease(levels_in_use)
  cut_short = more and #ids < limit
  -- This worker may not come back soon: another one should see to what is left.
  if more or (#ids == limit and first_due < math.huge) then
    wake_one()
  end
  may_have_moved = true
end
local next_in = ""
if cut_short then
  next_in = "0"
elseif #ids < limit then
  if may_have_moved then
    first_at = math.min(head(scheduled), head(leased))
  end
  -- A paused queue has nothing to announce.
  local is_announced = first_at < math.huge and (#ids > 0 or redis.call("HEXISTS", meta, "paused") == 0)
  next_in = is_announced and int(math.max(first_at - now, 0)) or ""
end
local known, cursors = {}, {}
if #ids > 0 and (may_have_reclaimed or not is_plain) then
  known = redis.call("HMGET", facts, unpack(ids))
  cursors = redis.call("HMGET", results, unpack(ids))
end
return { lost, ids, records, known, first_token, expires_at, next_in, cursors }
