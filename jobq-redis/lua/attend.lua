-- attend: note that a scheduler lives, and tell how its group is.
--
-- KEYS[1]   attending  hash  scheduler -> when it is forgotten, in ms; a space; its word
-- KEYS[2]   groups     hash  group -> its revision
-- ARGV[1]   now in ms, or "" for the server's clock
-- ARGV[2]   ttl in ms
-- ARGV[3]   the group
-- ARGV[4]   the scheduler
-- ARGV[5]   its word
--
-- Returns   now; the revision of the group, 0 if it has no entries; the words of all that live
--
-- Takes time in proportion to the schedulers of the group that were started since they were last swept.
local attending, groups = KEYS[1], KEYS[2]
local now, ttl = time_given(ARGV[1]), tonumber(ARGV[2])
local group, scheduler, word = ARGV[3], ARGV[4], ARGV[5]

-- A write that takes no memory first: a full server must not make its schedulers look dead.
redis.call("HDEL", attending, "")
redis.call("HSET", attending, scheduler, string.format("%.0f", now + ttl) .. " " .. word)
local words = {}
local all = redis.call("HGETALL", attending)
for i = 1, #all, 2 do
  local cut = string.find(all[i + 1], " ", 1, true)
  if tonumber(string.sub(all[i + 1], 1, cut - 1)) <= now then
    redis.call("HDEL", attending, all[i])
  else
    words[#words + 1] = string.sub(all[i + 1], cut + 1)
  end
end
return { string.format("%.0f", now), redis.call("HGET", groups, group) or "0", words }
