-- requeue: move dead jobs back to ready, with all their attempts before them again.
--
-- ARGV[1]   now in ms, or "" for the server's clock
-- ARGV[2+]  ids
--
-- Returns   for each job: "requeued", "not dead", "unknown", or the id that holds its unique key
local now = clock(ARGV[1])
local ids = { unpack(ARGV, 2) }
local places = places_of(ids)
local answers = {}

begin()
for i, id in ipairs(ids) do
  local place = places[id]
  if not place then
    answers[i] = "unknown"
  elseif place.state ~= "dead" then
    answers[i] = "not dead"
  else
    local digest, mode = digest_of(place.record), mode_of(place.record)
    local takes_key = digest and mode ~= WHILE_RUNNING and mode ~= THROTTLE
    local holder = takes_key and holder_of(keys_for(place.record), digest, now)
    if holder then
      answers[i] = holder
    else
      if takes_key then
        hold_key(id, place.record, now, now)
      end
      family_told_of_requeue(id, place.record, now)
      local known = redis.call("HGET", facts, id)
      if known then
        redis.call("HSET", facts, id, "\0\0\0\0" .. string.sub(known, 5))
      end
      to_ready(id, place.record)
      redis.call("ZREM", dead, id)
      place.state = "ready"
      answers[i] = "requeued"
      wake_one()
    end
  end
end
keep_states()
return answers
