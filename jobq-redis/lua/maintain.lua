-- maintain: promote, reclaim and prune what is due, and sweep out left-over entries.
--
-- ARGV[1]  now in ms, or "" for the server's clock
-- ARGV[2]  the most jobs of each sort: 1000 at most
-- ARGV[3]  how long the dead are kept, in ms
-- ARGV[4]  how many of the dead are kept
--
-- Returns  how many were 1 promoted, 2 reclaimed, 3 poisoned, 4 pruned; 5 whether there may be more; 6
--          whether there are notes to deliver from here
local now = clock(ARGV[1])
local limit, max_age, max_count = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

local function drop(ended, ids)
  if #ids > 0 then
    if ended == dead then
      for i, record in ipairs(redis.call("HMGET", jobs, unpack(ids))) do
        if record then
          family_told_of_burial(ids[i], readable(record), now)
        end
      end
    end
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

-- Tells watchers that have not looked again for a while to do so: those that live do, and those that have
-- died leave nothing behind. Some at random, for there are few, and they are in no order.
local function stir_watchers()
  local found = redis.call("HRANDFIELD", marks, math.min(limit, 100), "WITHVALUES")
  for i = 1, #found, 2 do
    if #found[i] == 17 then
      local last = 0
      for _, ends in watchers_in(found[i + 1]) do
        last = math.max(last, ends)
      end
      if last <= now then
        changed(string.sub(found[i], 2))
      end
    end
  end
end

-- Forgets batches that are past their retention, and how parents ended of jobs that never came.
local function forget_families()
  local past_them = redis.call("ZRANGEBYSCORE", KEYS[54], "-inf", int(now), "LIMIT", 0, limit)
  local is_done = #past_them < limit
  for _, member in ipairs(past_them) do
    if string.sub(member, 1, 1) == "e" then
      kin.forget_early(member)
    else
      is_done = home.forget(string.sub(member, 2), now, limit) and is_done
    end
  end
  return is_done
end

begin()
if limit == 0 then
  return { 0, 0, 0, 0, 0, has_notes() and 1 or 0 }
end
note_pace(now)
stir_watchers()
local promoted = promote(now, limit)
local reclaimed, poisoned, expired = reclaim(now, limit)
local counts = {
  drop(completed, past(completed, now)),
  drop(cancelled, past(cancelled, now)),
  drop(dead, past(dead, now - max_age)),
  drop(dead, excess_dead()),
}
local pruned, looked_at = 0, forget_idle(now, limit)
local more = looked_at == limit or promoted == limit or expired == limit or drop_left_over(limit) == limit
more = not forget_families() or more
for _, count in ipairs(counts) do
  pruned = pruned + count
  more = more or count == limit
end
if redis.call("EXISTS", jobs, lanes, order, held_up, laned, slots, limits, held_back, running, idle) == 0 and not has_families() then
  redis.call("DEL", flow)
end
keep_states()
return { promoted, reclaimed, poisoned, pruned, more and 1 or 0, has_notes() and 1 or 0 }
