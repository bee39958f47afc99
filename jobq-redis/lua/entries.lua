-- entries: all entries of a group of schedules.
--
-- KEYS[1]   entries  hash  name -> bytes
-- KEYS[2]   groups   hash  group -> its revision
-- ARGV[1]   the group
--
-- Returns   its revision, 0 if it has none; then names and bytes
--
-- Takes time in proportion to the entries: it is called when they have changed.
local all = redis.call("HGETALL", KEYS[1])
return { redis.call("HGET", KEYS[2], ARGV[1]) or "0", all }
