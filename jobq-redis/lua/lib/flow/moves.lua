-- The moves of jobs in a queue that may have flow control: the same words as in `moves`, for all scripts
-- but those on the short path of queues without it.

-- Makes a job ready: behind the others of its priority and lane, or in front of them.
local function to_ready(id, record, in_front)
  local lane, level = lane_of(record), level_of(record)
  if lane == "" then
    push_ready(level, { id }, in_front)
    unlaned_came(level)
  else
    push_laned(lane, level, cost_of(record), id, in_front)
  end
  changed(id)
end

-- Puts jobs without a lane at the back of their levels, in this order.
local function push_all_unlaned(some)
  local by_level, highest = {}, -1
  for _, job in ipairs(some) do
    local level = level_of(job[2])
    by_level[level] = by_level[level] or {}
    table.insert(by_level[level], job[1])
  end
  for level, ids in pairs(by_level) do
    push_ready(level, ids)
  end
  for _, job in ipairs(some) do
    if level_of(job[2]) > highest then
      highest = level_of(job[2])
      unlaned_came(highest)
    end
  end
end

-- Makes many jobs ready, in this order: a list of ids and records. All at once that have a lane, or have
-- none, up to the next one of the other sort: in which order lanes come to wait says whose turn it is.
local function all_to_ready(some)
  local run, ids, is_laned = {}, {}, false
  local function push_run()
    local push = is_laned and push_all_laned or push_all_unlaned
    push(run)
    run = {}
  end
  for n, job in ipairs(some) do
    local has_lane = lane_of(job[2]) ~= ""
    if has_lane ~= is_laned then
      push_run()
      is_laned = has_lane
    end
    run[#run + 1], ids[n] = job, job[1]
  end
  push_run()
  changed_all(ids)
end

-- Ends a job: kept in `ended` as long as its retention asks for, or gone at once.
local function finish(id, record, ended, now, result)
  free_unique(id, record, ended == cancelled)
  family_told(id, record, ended == completed and "completed" or "cancelled", result, now)
  local retention = retention_of(record)
  if retention > 0 then
    redis.call("ZADD", ended, later(now, retention), id)
    redis.call("HDEL", marks, id)
    changed(id)
    if ended == cancelled then
      redis.call("HDEL", results, id)
    end
  else
    redis.call("HDEL", jobs, id)
    forget({ id })
  end
end

-- Puts a job aside for people.
local function bury(id, record, now)
  redis.call("ZADD", dead, int(now), id)
  free_unique(id, record, false)
  family_told(id, record, "dead", nil, now)
  redis.call("HDEL", marks, id)
  changed(id)
end

-- A waiting job that goes without having run leaves its turn to the next one that its key may hold back. That
-- one comes before the other leaves its place, so that a lane that both are of does not stop waiting.
local function free_place(id, record)
  pass_on(id, record, to_ready)
end

-- What the end of a lease brings about besides what becomes of its job: a slot and a key are free.
local function lease_ended(id, record, member, now)
  slot_freed(lane_held(record, member), member)
  free_running(id, record, to_ready)
  local limit = shared_limit()
  if limit and limit.limits.concurrency then
    wake_one()
    wake_shared()
  elseif queue_limits().concurrency then
    wake_one()
  end
end

-- Makes scheduled jobs ready that are due, `limit` (1000 at most) of them; says how many.
local function promote(now, limit)
  local due = redis.call("ZRANGEBYSCORE", scheduled, "-inf", int(now), "LIMIT", 0, limit)
  if #due == 0 then
    return 0
  end
  local ids = {}
  for i, member in ipairs(due) do
    ids[i] = string.sub(member, 2)
  end
  local records = redis.call("HMGET", jobs, unpack(ids))
  for i, record in ipairs(records) do
    if record then
      to_ready(ids[i], readable(record))
    end
  end
  redis.call("ZREMRANGEBYRANK", scheduled, 0, #due - 1)
  wake_one()
  return #due
end
