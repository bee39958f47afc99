-- maintain: promote, reclaim and prune what is due, and sweep out left-over entries.
--
-- ARGV[1]  now in ms, or "" for the server's clock
-- ARGV[2]  the most jobs of each sort: 1000 at most
-- ARGV[3]  how long the dead are kept, in ms
-- ARGV[4]  how many of the dead are kept
--
-- Returns  how many were 1 promoted, 2 reclaimed, 3 poisoned, 4 pruned; 5 whether there may be more
local now = clock(ARGV[1])
local limit, max_age, max_count = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

local function drop(ended, ids)
  if #ids > 0 then
    redis.call("HDEL", jobs, unpack(ids))
    forget(ids)
    redis.call("ZREM", ended, unpack(ids))
  end
  return #ids
end

local function past(ended, instant)
  return redis.call("ZRANGEBYSCORE", ended, "-inf", int(instant), "LIMIT", 0, limit)
end

local function excess_dead()
  local excess = redis.call("ZCARD", dead) - max_count
  if excess <= 0 then
    return {}
  end
  return redis.call("ZRANGE", dead, 0, math.min(excess, limit) - 1)
end

-- Drops the entries at the front of the ready lists whose jobs have left.
local function sweep()
  if redis.call("EXISTS", gone) == 0 then
    return 0
  end
  local most = 0
  for _, level in ipairs(redis.call("ZREVRANGE", levels, 0, -1)) do
    local list, count = ready_list(tonumber(level)), 0
    for _, entry in ipairs(redis.call("LRANGE", list, 0, limit - 1)) do
      if not drop_if_left_over(entry) then
        break
      end
      count = count + 1
    end
    if count > 0 then
      redis.call("LTRIM", list, count, -1)
    end
    most = math.max(most, count)
  end
  return most
end

begin()
if limit == 0 then
  return { 0, 0, 0, 0, 0 }
end
local promoted = promote(now, limit)
local reclaimed, poisoned, expired = reclaim(now, limit)
local counts = {
  drop(completed, past(completed, now)),
  drop(cancelled, past(cancelled, now)),
  drop(dead, past(dead, now - max_age)),
  drop(dead, excess_dead()),
}
local pruned = 0
local more = promoted == limit or expired == limit or sweep() == limit
for _, count in ipairs(counts) do
  pruned = pruned + count
  more = more or count == limit
end
return { promoted, reclaimed, poisoned, pruned, more and 1 or 0 }
