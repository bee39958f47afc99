-- list: the ids of jobs in one state, from an offset on.
--
-- ARGV[1]  state
-- ARGV[2]  how many to skip
-- ARGV[3]  the most ids to return: 1000 at most
--
-- Returns  ids
local state, offset, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local function ids_in(set, first)
  return redis.call("ZRANGE", set, offset, offset + limit - 1)
end

if limit == 0 then
  return {}
end
if state == "ready" then
  local ids, skip = {}, offset
  for level = 15, 0, -1 do
    local list = ready_list(level)
    local length = redis.call("LLEN", list)
    if #ids < limit and skip < length then
      for _, id in ipairs(redis.call("LRANGE", list, skip, skip + limit - #ids - 1)) do
        if redis.call("HEXISTS", gone, id) == 0 then
          ids[#ids + 1] = id
        end
      end
      skip = 0
    else
      skip = math.max(skip - length, 0)
    end
  end
  return ids
end
local sets = { completed = completed, cancelled = cancelled, dead = dead }
local ids = {}
if sets[state] then
  return ids_in(sets[state])
end
for _, member in ipairs(ids_in(state == "leased" and leased or scheduled)) do
  if state == "scheduled" then
    ids[#ids + 1] = string.sub(member, 2)
  elseif #member == 32 then
    ids[#ids + 1] = id_of(member)
  end
end
return ids
