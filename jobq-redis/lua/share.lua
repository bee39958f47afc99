-- share: set the limits that queues share, or who takes part in them.
--
-- KEYS[1]   shared  hash, see flow/shared
-- ARGV[1]   what: "set", "join" or "leave"
-- ARGV[2]   the name of the limit
-- ARGV[3]   set: the source, "o" or "c"; else the queue
-- ARGV[4]   set: the limits; "" for none
--
-- Returns   the queues that take part, each followed by a comma
local shared, what, name = KEYS[1], ARGV[1], ARGV[2]

if what == "set" then
  if ARGV[4] == "" then
    redis.call("HDEL", shared, ARGV[3] .. name)
  else
    redis.call("HSET", shared, ARGV[3] .. name, ARGV[4])
  end
end
local members = redis.call("HGET", shared, "m" .. name) or ""
local entry = ARGV[3] .. ","
if what ~= "set" then
  local others = ""
  for queue in string.gmatch(members, "([^,]+,)") do
    if queue ~= entry then
      others = others .. queue
    end
  end
  members = what == "join" and others .. entry or others
  if members == "" then
    redis.call("HDEL", shared, "m" .. name)
  else
    redis.call("HSET", shared, "m" .. name, members)
  end
end
return members
