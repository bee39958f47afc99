-- batches: what is known of the batches that are at home here.
--
-- ARGV[1]  an id; "" for all, newest first
-- ARGV[2]  how many to skip
-- ARGV[3]  the most to return
--
-- Returns  for each: id, counts, retention with parent and name; packed as `lib/flow/batches` says
local ids = { ARGV[1] }
if ARGV[1] == "" then
  local offset = tonumber(ARGV[2])
  ids = redis.call("ZREVRANGE", KEYS[49], offset, offset + tonumber(ARGV[3]) - 1)
end
local views = {}
for _, id in ipairs(ids) do
  local counts = redis.call("HGET", KEYS[47], id)
  if counts then
    views[#views + 1] = { id, counts, redis.call("HGET", KEYS[48], "i" .. id) }
  end
end
return views
