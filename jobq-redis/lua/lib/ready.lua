-- The ready lists: jobs without a lane that wait for a worker, and the wake-up of idle ones.

-- Leaves a token for an idle worker, unless there is one already.
local is_token_there = false
local function wake_one()
  if not is_token_there and redis.call("LLEN", wake) == 0 then
    redis.call("RPUSH", wake, "1")
  end
  is_token_there = true
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

-- Drops the entries at the front of the ready lists whose jobs have left, `limit` of each at most; says how
-- many of one list.
local function drop_left_over(limit)
  if redis.call("EXISTS", gone) == 0 then
    return 0
  end
  local most = 0
  for _, level in ipairs(redis.call("ZREVRANGE", levels, 0, -1)) do
    local list, count = ready_list(tonumber(level)), 0
    local entry = redis.call("LINDEX", list, 0)
    while entry and count < limit and drop_if_left_over(entry) do
      redis.call("LPOP", list)
      count = count + 1
      entry = redis.call("LINDEX", list, 0)
    end
    most = math.max(most, count)
  end
  return most
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
