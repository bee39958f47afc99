-- The moves of jobs in a queue without flow control. Each leaves a job in exactly one place. For all other
-- queues `flow/moves` has the same words.

-- Makes a job ready: behind the others of its priority, or in front of them.
local function to_ready(id, record, in_front)
  push_ready(level_of(record), { id }, in_front)
  changed(id)
end

-- What else the end of a lease brings about: nothing, here.
local function lease_ended() end

-- Whether a job may wait again after an attempt: any may, here.
local function waits_again()
  return true
end

-- Frees the unique key of a job that ends, if it is the one that holds it.
local function free_unique(id, record)
  if is_stand_in(record) then
    for _, digest in ipairs(fields_of(unique, id)) do
      local holder = redis.call("HGET", unique, digest)
      if holder and string.sub(holder, 1, 16) == id then
        redis.call("HDEL", unique, digest)
      end
    end
    return
  end
  local digest = digest_of(record)
  local holder = digest and redis.call("HGET", unique, digest)
  if holder and string.sub(holder, 1, 16) == id then
    redis.call("HDEL", unique, digest)
  end
end

-- Ends a job: kept in `ended` as long as its retention asks for, or gone at once.
local function finish(id, record, ended, now)
  free_unique(id, record)
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
  free_unique(id, record)
  redis.call("HDEL", marks, id)
  changed(id)
end

-- Makes scheduled jobs ready that are due, `limit` (1000 at most) of them; says how many.
local function promote(now, limit)
  local due = redis.call("ZRANGEBYSCORE", scheduled, "-inf", int(now), "LIMIT", 0, limit)
  if #due == 0 then
    return 0
  end
  local by_level = {}
  for _, member in ipairs(due) do
    local level = 15 - string.byte(member, 1)
    by_level[level] = by_level[level] or {}
    table.insert(by_level[level], string.sub(member, 2))
  end
  for level, ids in pairs(by_level) do
    push_ready(level, ids)
    changed_all(ids)
  end
  redis.call("ZREMRANGEBYRANK", scheduled, 0, #due - 1)
  wake_one()
  return #due
end
