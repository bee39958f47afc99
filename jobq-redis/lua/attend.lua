-- attend: note that a scheduler lives, and tell how its group is.
--
-- KEYS[1]   attending  hash  scheduler -> when it is forgotten and its ttl, in ms, and its word
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
redis.call("HDEL", attending, scheduler)
local function note(who, its_ttl, its_word)
  local line = string.format("%.0f %.0f ", now + its_ttl, its_ttl) .. its_word
  redis.call("HSET", attending, who, line)
end
local words = {}
if ttl > 0 then
  note(scheduler, ttl, word)
end
local all = redis.call("HGETALL", attending)
for i = 1, #all, 2 do
  local forgotten_at, its_ttl, its_word = string.match(all[i + 1], "^(%d+) (%d+) (.*)$")
  if tonumber(forgotten_at) <= now then
    redis.call("HDEL", attending, all[i])
  else
    words[#words + 1] = its_word
    -- No later than if it had been heard of just now: the clock may have been put back.
    if tonumber(forgotten_at) > now + tonumber(its_ttl) then
      note(all[i], tonumber(its_ttl), its_word)
    end
  end
end
return { string.format("%.0f", now), redis.call("HGET", groups, group) or "0", words }
