-- list: the ids of ready jobs, from an offset on. Those in other states are each in one set.
--
-- ARGV[1]  how many to skip
-- ARGV[2]  the most ids to return: 1000 at most
--
-- Returns  1 how many entries were looked at  2 the ids  3 1 if entries of jobs that have left may be
--          among those looked at, which count for the offset, or 0
local offset, limit = tonumber(ARGV[1]), tonumber(ARGV[2])

-- Entries of lists, followed by jobs of lanes and jobs held back; and how many are of lists.
local function ready_entries()
  local entries, skip = {}, offset
  for _, level in ipairs(redis.call("ZREVRANGE", levels, 0, -1)) do
    local list = ready_list(tonumber(level))
    local length = redis.call("LLEN", list)
    if #entries < limit and skip < length then
      for _, id in ipairs(redis.call("LRANGE", list, skip, skip + limit - #entries - 1)) do
        entries[#entries + 1] = id
      end
    end
    skip = math.max(skip - length, 0)
  end
  local listed = #entries
  -- The jobs held back come first by name, and are listed last.
  for _, range in ipairs({ { laned, "-", "+" }, { held_back, "[d", "(e" } }) do
    local set, from, to = unpack(range)
    local count = redis.call("ZLEXCOUNT", set, from, to)
    if #entries < limit and skip < count then
      for _, member in ipairs(redis.call("ZRANGEBYLEX", set, from, to, "LIMIT", skip, limit - #entries)) do
        entries[#entries + 1] = string.sub(member, -16)
      end
    end
    skip = math.max(skip - count, 0)
  end
  return entries, listed
end

-- Only lists have entries that are left over. A job that has left one behind may be in a lane by now.
local function without_left_over(entries, listed)
  local ids, any_gone = {}, redis.call("EXISTS", gone) == 1
  for i, entry in ipairs(entries) do
    local id = string.sub(entry, 1, 16)
    local note = any_gone and i <= listed and redis.call("HGET", gone, id)
    if not note or string.sub(entry, 17) == string.sub(note, 1, 8) then
      ids[#ids + 1] = id
    end
  end
  return ids
end

local entries, listed = ready_entries()
return { #entries, without_left_over(entries, listed), redis.call("EXISTS", gone) }
