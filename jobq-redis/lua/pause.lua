-- pause: stop leasing from a queue, or go on.
--
-- ARGV[1]  "1" to pause, "0" to resume
--
-- Returns  nothing
begin()
if ARGV[1] == "1" then
  redis.call("HSET", meta, "paused", "1")
else
  redis.call("HDEL", meta, "paused")
  wake_one()
end
