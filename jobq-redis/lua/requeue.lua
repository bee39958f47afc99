-- requeue: move dead jobs back to ready, with all their attempts before them again.
--
-- ARGV[1+]  ids
--
-- Returns   for each job: "requeued", "not dead", "unknown", or the id that holds its unique key
local places = places_of(ARGV)
local answers = {}

begin()
for i, id in ipairs(ARGV) do
  local place = places[id]
  if not place then
    answers[i] = "unknown"
  elseif place.state ~= "dead" then
    answers[i] = "not dead"
  else
    local digest = digest_of(place.record)
    local holder = digest and redis.call("HGET", unique, digest)
    if holder then
      answers[i] = holder
    else
      if digest then
        redis.call("HSET", unique, digest, id)
      end
      local known = redis.call("HGET", facts, id)
      if known then
        redis.call("HSET", facts, id, "\0\0\0\0" .. string.sub(known, 5))
      end
      push_ready(level_of(place.record), { id })
      redis.call("ZREM", dead, id)
      place.state = "ready"
      answers[i] = "requeued"
      wake_one()
    end
  end
end
return answers
