-- The moves that several scripts share. Each leaves a job in exactly one place.

-- Leaves a token for an idle worker, unless there is one already.
local function wake_one()
  if redis.call("LLEN", wake) == 0 then
    redis.call("RPUSH", wake, "1")
  end
end

-- What stands for a job in a ready list. One that was withdrawn has left an entry behind, which its
-- new one must be told from.
local function entry_of(id)
  local note = redis.call("HGET", gone, id)
  return note and id .. string.sub(note, 1, 8) or id
end

-- Whether an entry of a ready list stands for a job that has left. If it does it is about to be dropped,
-- and the note on the job is brought up to date.
local function drop_if_left_over(entry)
  local id = string.sub(entry, 1, 16)
  local note = redis.call("HGET", gone, id)
  if not note or string.sub(entry, 17) == string.sub(note, 1, 8) then
    return false
  end
  local left_over = struct.unpack(">I4", note, 9)
  if left_over > 1 then
    redis.call("HSET", gone, id, string.sub(note, 1, 8) .. struct.pack(">I4", left_over - 1))
  else
    redis.call("HDEL", gone, id)
  end
  redis.call("HINCRBY", meta, "gone", -1)
  return true
end

-- Puts ids (1000 at most) into the ready list of a priority: at its end, or in front.
local function push_ready(level, ids, in_front)
  local entries = ids
  if redis.call("EXISTS", gone) == 1 then
    entries = {}
    for i, id in ipairs(ids) do
      entries[i] = entry_of(id)
    end
  end
  redis.call(in_front and "LPUSH" or "RPUSH", ready_list(level), unpack(entries))
  redis.call("ZADD", levels, level, level)
end

-- Takes away what hangs on jobs besides their records.
local function forget(ids)
  if redis.call("EXISTS", facts, reports, marks, results) > 0 then
    redis.call("HDEL", facts, unpack(ids))
    redis.call("HDEL", reports, unpack(ids))
    redis.call("HDEL", marks, unpack(ids))
    redis.call("HDEL", results, unpack(ids))
  end
end

-- Frees the unique key of a job that ends, if it is the one that holds it.
local function free_unique(id, record)
  local digest = digest_of(record)
  if digest and redis.call("HGET", unique, digest) == id then
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
  end
  redis.call("ZREMRANGEBYRANK", scheduled, 0, #due - 1)
  wake_one()
  return #due
end
