-- amend: change entries of a group of schedules, all or none.
--
-- KEYS[1]   entries  hash  name -> bytes
-- KEYS[2]   groups   hash  group -> its revision; "" -> the greatest that any has had
-- ARGV[1]   the group
-- ARGV[2]   the revision on which this is based
-- ARGV[3+]  for each change: "p", name and bytes to put, or "r", name and "" to remove
--
-- Returns   the new revision, or "" if the group has another one than this is based on
local entries, groups = KEYS[1], KEYS[2]
local group, based_on = ARGV[1], tonumber(ARGV[2])
local FIRST, STEP = 3, 3

if tonumber(redis.call("HGET", groups, group) or "0") ~= based_on then
  return ""
end
local revision = redis.call("HINCRBY", groups, "", 1)
for i = FIRST, #ARGV, STEP do
  if ARGV[i] == "p" then
    redis.call("HSET", entries, ARGV[i + 1], ARGV[i + 2])
  else
    redis.call("HDEL", entries, ARGV[i + 1])
  end
end
if redis.call("EXISTS", entries) == 1 then
  redis.call("HSET", groups, group, revision)
else
  redis.call("HDEL", groups, group)
end
return string.format("%.0f", revision)
