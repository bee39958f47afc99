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
-- Returns   1 the positions of completed leases that had been lost
--           2 ids  3 records  4 facts (empty if there are none)
--           5 the token of the first lease; the others count on from it
--           6 when the leases expire
--           7 ms until something is due or expires; "" if unknown or nothing is
local now = clock(ARGV[1])
local worker, limit, duration = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local promote_limit, reclaim_limit = tonumber(ARGV[5]), tonumber(ARGV[6])
local FIRST_MEMBER = 7
-- Up to 128 members without a long one are stored as a list that is searched from end to end.
local SENTINEL = string.rep("~", 72)

local function complete()
  if #ARGV < FIRST_MEMBER then
    return {}
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
    -- A write that takes no memory, as `begin()` is.
    redis.call("ZREM", leased, unpack(members))
    redis.call("HDEL", jobs, unpack(ids))
    forget(ids)
  end
  return lost
end

-- The ids that the entries of a list stand for, without those that are left over.
local function live_ids(entries)
  local live, any_gone = {}, redis.call("EXISTS", gone) == 1
  for _, entry in ipairs(entries) do
    local id = #entry > 16 and string.sub(entry, 1, 16) or entry
    local note = any_gone and redis.call("HGET", gone, id)
    if note and string.sub(entry, 17) ~= string.sub(note, 1, 8) then
      local left_over = struct.unpack(">I4", note, 9)
      if left_over > 1 then
        redis.call("HSET", gone, id, string.sub(note, 1, 8) .. struct.pack(">I4", left_over - 1))
      else
        redis.call("HDEL", gone, id)
      end
      redis.call("HINCRBY", meta, "gone", -1)
    else
      live[#live + 1] = id
    end
  end
  return live
end

local ids, records, first_token = {}, {}, 0

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
    local expires_at = int(now + duration)
    local members = { "+inf", SENTINEL }
    for i, id in ipairs(live) do
      ids[#ids + 1] = id
      records[#records + 1] = found[i]
      members[#members + 1] = expires_at
      members[#members + 1] = struct.pack(">I8", token + i) .. id .. worker
    end
    redis.call("ZADD", leased, unpack(members))
  end
  redis.call("LTRIM", list, #entries, -1)
end

local function lease(levels_in_use)
  for _, level in ipairs(levels_in_use) do
    local list = ready_list(tonumber(level))
    while #ids < limit do
      local entries = redis.call("LRANGE", list, 0, limit - #ids - 1)
      if #entries == 0 then
        redis.call("ZREM", levels, level)
        break
      end
      hold(list, entries)
    end
    if #ids == limit then
      -- This worker may not come back soon: another one should see to what is left.
      if redis.call("LLEN", list) > 0 or redis.call("EXISTS", scheduled) == 1 then
        wake_one()
      end
      return
    end
  end
end

-- When the first job of a set is due; infinite if there is none.
local function head(set)
  return tonumber(redis.call("ZRANGE", set, 0, 0, "WITHSCORES")[2] or "inf") or math.huge
end

local lost = complete()
-- Idle workers come by often: what there is nothing of must cost them next to nothing.
local first_at = math.min(head(scheduled), head(leased))
local may_have_moved = first_at <= now
if may_have_moved then
  begin()
  promote(now, promote_limit)
  reclaim(now, reclaim_limit)
end
if limit == 0 then
  return { lost }
end
local levels_in_use = redis.call("ZREVRANGE", levels, 0, -1)
if #levels_in_use > 0 then
  if redis.call("HEXISTS", meta, "paused") == 1 then
    return { lost }
  end
  begin()
  lease(levels_in_use)
  may_have_moved = true
end
local next_in = ""
if #ids < limit then
  if may_have_moved then
    first_at = math.min(head(scheduled), head(leased))
  end
  next_in = first_at < math.huge and int(math.max(first_at - now, 0)) or ""
end
local known = {}
if #ids > 0 and redis.call("EXISTS", facts) == 1 then
  known = redis.call("HMGET", facts, unpack(ids))
end
return { lost, ids, records, known, first_token, int(now + duration), next_in }
