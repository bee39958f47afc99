-- enqueue: add jobs, each whole or not at all.
--
-- KEYS[1]   jobs
-- KEYS[2]   levels
-- KEYS[3]   scheduled
-- KEYS[4]   unique
-- KEYS[5]   wake
-- KEYS[6]   gone
-- KEYS[7+]  ready lists of the priorities in ARGV[2], in that order
-- ARGV[1]   now in ms, or "" for the server's clock
-- ARGV[2]   the priorities of these jobs, one byte each
-- ARGV[3+]  for each job: id, record, and when it is due: "" for now, "+ms" for a delay, "ms" for an instant
--
-- Returns   nothing if all were added; else for each job "" if it was, or the id that stands for it
--
-- The header of a record says its priority and its unique digest, so they travel once.
local unpack = unpack or table.unpack
local jobs, levels, scheduled, unique = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local wake, gone = KEYS[5], KEYS[6]
local given_now, priorities = ARGV[1], ARGV[2]
local FIRST = 3

local lists = {}
for i = 1, #priorities do
  lists[string.byte(priorities, i)] = KEYS[6 + i]
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
    return at
  end
end

-- The id that stands for this job already, or nothing.
local function standing(id, record, known)
  if known then
    return id
  end
  if string.byte(record, 2) % 2 == 1 then
    return redis.call("HGET", unique, string.sub(record, 15, 30)) or nil
  end
end

local ids = {}
for i = FIRST, #ARGV, 3 do
  ids[#ids + 1] = ARGV[i]
end
local known = redis.call("HMGET", jobs, unpack(ids))

local any_gone = redis.call("EXISTS", gone) == 1
local added, fields, ready, answers, duplicates, wake_up = {}, {}, {}, {}, false, false
local position = FIRST
for i, id in ipairs(ids) do
  local record, when = ARGV[position + 1], ARGV[position + 2]
  position = position + 3
  local other = standing(id, record, known[i] or added[id])
  if other then
    duplicates = true
    answers[i] = other
  else
    answers[i] = ""
    added[id] = true
    fields[#fields + 1] = id
    fields[#fields + 1] = record
    local level, at = string.byte(record, 3), due_at(when)
    if string.byte(record, 2) % 2 == 1 then
      redis.call("HSET", unique, string.sub(record, 15, 30), id)
    end
    if at then
      local member = string.char(15 - level) .. id
      redis.call("ZADD", scheduled, string.format("%.0f", at), member)
      -- Idle workers sleep until the first job is due: tell one that there is an earlier one.
      wake_up = wake_up or redis.call("ZRANK", scheduled, member) == 0
    else
      local list = ready[level]
      if not list then
        list = {}
        ready[level] = list
      end
      -- A job that was withdrawn has left an entry behind, which this one must be told from.
      local note = any_gone and redis.call("HGET", gone, id)
      list[#list + 1] = note and id .. string.sub(note, 1, 8) or id
    end
  end
end

if #fields > 0 then
  redis.call("HSET", jobs, unpack(fields))
  for level, list in pairs(ready) do
    if redis.call("RPUSH", lists[level], unpack(list)) == #list then
      redis.call("ZADD", levels, level, level)
    end
    wake_up = true
  end
  if wake_up and redis.call("LLEN", wake) == 0 then
    redis.call("RPUSH", wake, "1")
  end
end
if duplicates then
  return answers
end
