-- mark: change the mark of a schedule.
--
-- KEYS[1]   ticks, see tick/mark
-- ARGV[1]   now in ms, or "" for the server's clock
-- ARGV[2]   group, "/" and name of the schedule
-- ARGV[3]   "pause", "resume" or "forget"
-- ARGV[4]   to forget: unless a tick was claimed by a later revision than this
--
-- Returns   nothing
local ticks, schedule, change = KEYS[1], ARGV[2], ARGV[3]

-- A write that takes no memory first: on a full server, too, a schedule can be paused.
redis.call("HDEL", ticks, "")
local mark = read_mark(redis.call("HGET", ticks, schedule))
if change == "forget" then
  if mark.revision <= tonumber(ARGV[4]) then
    redis.call("HDEL", ticks, schedule)
  end
  return
end
mark.paused = change == "pause" and "1" or "0"
if change == "resume" then
  mark.last = time_given(ARGV[1])
end
write_mark(ticks, schedule, mark)
