-- Limits that several queues share. They live under the prefix alone, in another slot than the queue: on
-- a cluster they are refused when they are set. Here the queue's own keys say what the others are called.
--
-- `{prefix}:shared`         hash  "o" or "c" and name -> limits; "m" and name -> the queues that take part, each followed by
--                                 a comma; "s" and name -> what its rate has counted
-- `{prefix}:shared:starts`  zset  what sliding rates count, as in `starts`
local prefix, this_queue = string.match(KEYS[1], "^{(.*):([^:}]*)}:jobs$")
local shared_key, shared_starts = "{" .. prefix .. "}:shared", "{" .. prefix .. "}:shared:starts"
local COUNTED = ">I1I8I8d"

local function key_of(queue, part)
  return "{" .. prefix .. ":" .. queue .. "}:" .. part
end

local shared
-- The shared limit of this queue: its name, limits, queues and state; nothing if it has none.
local function shared_limit()
  if shared == nil then
    shared = false
    local name = queue_limits().shared
    if name then
      local found = redis.call("HMGET", shared_key, "o" .. name, "c" .. name, "m" .. name, "s" .. name)
      shared = { name = name, limits = first_given(found[1], found[2]), queues = {}, state = { set = shared_starts } }
      for queue in string.gmatch(found[3] or "", "([^,]+),") do
        table.insert(shared.queues, queue)
      end
      local state = shared.state
      state.counting, state.per, state.since, state.used = struct.unpack(COUNTED, found[4] or struct.pack(COUNTED, 0, 0, 0, 0))
    end
  end
  return shared or nil
end

-- How many jobs of the queues that take part are leased, besides those that this script is leasing.
local function count_shared()
  local count = 0
  for _, queue in ipairs(shared_limit().queues) do
    count = count + redis.call("ZCOUNT", key_of(queue, "leased"), "-inf", "(+inf")
  end
  return count
end

local function keep_shared()
  local limit = shared_limit()
  if limit and limit.state.is_changed then
    local state = limit.state
    redis.call("HSET", shared_key, "s" .. limit.name, struct.pack(COUNTED, state.counting, state.per, state.since, state.used))
  end
end

-- Wakes an idle worker of each queue that takes part: a lease has ended, or the limit was changed.
local function wake_shared()
  local limit = shared_limit()
  if limit then
    for _, queue in ipairs(limit.queues) do
      if queue ~= this_queue and redis.call("LLEN", key_of(queue, "wake")) == 0 then
        redis.call("RPUSH", key_of(queue, "wake"), "1")
      end
    end
  end
end
