-- delete: remove jobs that nobody is running.
--
-- ARGV[1+]  ids
--
-- Returns   for each job: "deleted", "running" or "unknown"
local places = places_of(ARGV)
local answers = {}

begin()
for i, id in ipairs(ARGV) do
  local place = places[id]
  if not place then
    answers[i] = "unknown"
  elseif place.state == "leased" then
    answers[i] = "running"
  else
    withdraw(id, place)
    redis.call("ZREM", dead, id)
    redis.call("ZREM", completed, id)
    redis.call("ZREM", cancelled, id)
    free_unique(id, place.record)
    redis.call("HDEL", jobs, id)
    forget({ id })
    places[id] = nil
    answers[i] = "deleted"
  end
end
return answers
