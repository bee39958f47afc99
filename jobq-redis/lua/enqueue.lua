-- enqueue: add jobs, each whole or not at all.
--
-- KEYS[1]   jobs
-- KEYS[2]   levels
-- KEYS[3]   scheduled
-- KEYS[4]   unique
-- KEYS[5]   wake
-- KEYS[6]   gone
-- KEYS[7]   flow
-- KEYS[8]   marks
-- KEYS[9+]  ready lists of the priorities in ARGV[2], in that order
-- ARGV[1]   now in ms, or "" for the server's clock
-- ARGV[2]   the priorities of these jobs, one byte each
-- ARGV[3+]  for each job: id, record, and when it is due: "" for now, "+ms" for a delay, "ms" for an instant
--
-- Returns   "flow" if the queue has flow control: nothing was done; nothing if all were added; else for each job "" if it was, or the id that stands for it
--
-- The header of a record says its priority and its unique digest, so they travel once.
local unpack = unpack or table.unpack
local jobs, levels, scheduled, unique = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local wake, gone, flow, marks = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local given_now, priorities = ARGV[1], ARGV[2]
local FIRST = 3

-- One ordinary job for now: what most callers enqueue, in as few steps as it takes.
if #ARGV == FIRST + 2 and ARGV[FIRST + 2] == "" then
  local id, record = ARGV[FIRST], ARGV[FIRST + 1]
  if string.byte(record, 2) % 2 == 0 and redis.call("EXISTS", gone, flow, marks) == 0 then
    if redis.call("HSETNX", jobs, id, record) == 0 then
      return { id }
    end
    if redis.call("RPUSH", KEYS[9], id) == 1 then
      redis.call("ZADD", levels, string.byte(priorities), string.byte(priorities))
    end
    if redis.call("LLEN", wake) == 0 then
      redis.call("RPUSH", wake, "1")
    end
    return
  end
end

if redis.call("EXISTS", flow) == 1 then
  return "flow"
end

local lists = {}
for i = 1, #priorities do
  lists[string.byte(priorities, i)] = KEYS[8 + i]
end

local now
local function clock()
  if not now then
    if given_now ~= "" then
      now = tonumber(given_now)
    else
      local time = redis.call("TIME")
      now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
    end
  end
  return now
end

-- The instant at which a job is due, or nothing if that is now.
local function due_at(when)
  if when == "" then
    return nil
  end
  local at
  if string.byte(when, 1) == 43 then
    at = clock() + tonumber(string.sub(when, 2))
  else
    at = tonumber(when)
  end
  if at > clock() then
    -- Numbers above this one are not exact; see `lib/base.lua`.
    return string.format("%.0f", math.min(at, 2 ^ 53))
  end
end

local function digest_of(record)
  if string.byte(record, 2) % 2 == 1 then
    return string.sub(record, 15, 30)
  end
end

local ids = {}
for i = FIRST, #ARGV, 3 do
  ids[#ids + 1] = ARGV[i]
end
local known = redis.call("HMGET", jobs, unpack(ids))
local any_gone = redis.call("EXISTS", gone) == 1

-- What is to be written, gathered first: records must be there before anything points to them.
local answers, duplicates = {}, false
local added, fields, keys, due, ready = {}, {}, {}, {}, {}

-- The id that stands for this job already, or nothing.
local function standing(i, id, digest)
  if known[i] or added[id] then
    return id
  end
  local holder = digest and (keys[digest] or redis.call("HGET", unique, digest))
  return holder and string.sub(holder, 1, 16) or nil
end

local function add_ready(level, id)
  ready[level] = ready[level] or {}
  -- A job that was withdrawn has left an entry behind, which this one must be told from.
  local note = any_gone and redis.call("HGET", gone, id)
  table.insert(ready[level], note and id .. string.sub(note, 1, 8) or id)
end

local function add(id, record, digest, when)
  added[id] = true
  fields[#fields + 1] = id
  fields[#fields + 1] = record
  if digest then
    keys[digest] = id
  end
  local level, at = string.byte(record, 3), due_at(when)
  if at then
    due[#due + 1] = at
    due[#due + 1] = string.char(15 - level) .. id
  else
    add_ready(level, id)
  end
end

for i, id in ipairs(ids) do
  local record, when = ARGV[FIRST + i * 3 - 2], ARGV[FIRST + i * 3 - 1]
  local digest = digest_of(record)
  local other = standing(i, id, digest)
  duplicates = duplicates or other ~= nil
  answers[i] = other or ""
  if not other then
    add(id, record, digest, when)
  end
end

if #fields > 0 then
  redis.call("HSET", jobs, unpack(fields))
  for digest, id in pairs(keys) do
    redis.call("HSET", unique, digest, id)
  end
  local wake_up = next(ready) ~= nil
  if #due > 0 then
    redis.call("ZADD", scheduled, unpack(due))
    -- Idle workers sleep until the first job is due: tell one if there is an earlier one now.
    wake_up = wake_up or added[string.sub(redis.call("ZRANGE", scheduled, 0, 0)[1], 2)] ~= nil
  end
  for level, list in pairs(ready) do
    if redis.call("RPUSH", lists[level], unpack(list)) == #list then
      redis.call("ZADD", levels, level, level)
    end
  end
  if wake_up and redis.call("LLEN", wake) == 0 then
    redis.call("RPUSH", wake, "1")
  end
end
-- Who waits for a job that is not there yet is told that it is; see `lib/watchers.lua`.
if #fields > 0 and redis.call("EXISTS", marks) == 1 then
  for id in pairs(added) do
    local note, at = redis.call("HGET", marks, "w" .. id), 1
    redis.call("HDEL", marks, "w" .. id)
    while note and at <= #note do
      local length = string.byte(note, at + 6)
      redis.pcall("PUBLISH", string.sub(note, at + 7, at + 6 + length), id)
      at = at + 7 + length
    end
  end
end
if duplicates then
  return answers
end
