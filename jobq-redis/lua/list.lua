-- list: the ids of jobs in one state, from an offset on.
--
-- ARGV[1]  state
-- ARGV[2]  how many to skip
-- ARGV[3]  the most ids to return: 1000 at most
--
-- Returns  1 how many entries were looked at  2 the ids  3 "1" if entries of jobs that have left may be
--          among those looked at, which count for the offset
local state, offset, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

-- Entries of lists, followed by jobs of lanes and jobs held back; and how many are of lists.
local function ready_entries()
  local entries, skip = {}, offset
  for level = 15, 0, -1 do
    local list = ready_list(level)
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

local SETS = {
  waiting = { waiting, function(member) return member end },
  scheduled = { scheduled, function(member) return string.sub(member, 2) end },
  leased = { leased, function(member) return #member == 32 and id_of(member) end },
  completed = { completed, function(member) return member end },
  cancelled = { cancelled, function(member) return member end },
  dead = { dead, function(member) return member end },
}

if limit == 0 then
  return { 0, {} }
end
if state == "ready" then
  local entries, listed = ready_entries()
  return { #entries, without_left_over(entries, listed), redis.call("EXISTS", gone) }
end
if not SETS[state] then
  return { 0, {} }
end
local set, id_in = SETS[state][1], SETS[state][2]
local members, ids = redis.call("ZRANGE", set, offset, offset + limit - 1), {}
for _, member in ipairs(members) do
  ids[#ids + 1] = id_in(member) or nil
end
return { #members, ids }
