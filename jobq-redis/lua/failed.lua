-- failed: the dead jobs of a batch that is at home here.
--
-- ARGV[1]  id
-- ARGV[2]  how many to skip
-- ARGV[3]  the most to return: 1000 at most
--
-- Returns  for each: its queue, 0, its id
local prefix = "d" .. ARGV[1]
local offset, limit = tonumber(ARGV[2]), tonumber(ARGV[3])

-- By rank, so that far into a long list is as near as its beginning.
local first = redis.call("ZLEXCOUNT", KEYS[50], "-", "(" .. prefix)
local count = redis.call("ZLEXCOUNT", KEYS[50], "[" .. prefix, "(" .. prefix .. "\255")
local found = {}
if offset < count and limit > 0 then
  local last = math.min(offset + limit, count) - 1
  for _, member in ipairs(redis.call("ZRANGE", KEYS[50], first + offset, first + last)) do
    found[#found + 1] = string.sub(member, 18)
  end
end
return found
