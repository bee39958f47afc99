-- delete: remove jobs that nobody is running and that are where they were seen.
--
-- ARGV[1]   now in ms, or "" for the server's clock
-- ARGV[2]   the state in which they were seen
-- ARGV[3+]  ids
--
-- Returns   for each job: "deleted", "running", "moved" (it is in another state) or "unknown"
local now = clock(ARGV[1])
local seen = ARGV[2]
local ids = { unpack(ARGV, 3) }
local places = places_of(ids)
local answers = {}
local IS_LIVE = { waiting = true, scheduled = true, ready = true }

begin()
for i, id in ipairs(ids) do
  local place = places[id]
  if place and place.state == "waiting" then
    -- It may have ended with one before it in this call.
    place = places_of({ id })[id]
  end
  if not place and seen == "dead" and redis.call("ZREM", dead, id) == 1 then
    -- It has lost its record.
    forget({ id })
    answers[i] = "deleted"
  elseif not place then
    answers[i] = "unknown"
  elseif place.state == "leased" then
    answers[i] = "running"
  elseif place.state ~= seen then
    answers[i] = "moved"
  else
    if IS_LIVE[place.state] then
      free_place(id, place.record)
    end
    withdraw(id, place)
    redis.call("ZREM", dead, id)
    redis.call("ZREM", completed, id)
    redis.call("ZREM", cancelled, id)
    free_unique(id, place.record, true)
    if IS_LIVE[place.state] then
      family_told(id, place.record, "cancelled", nil, now)
    elseif place.state == "dead" then
      family_told_of_burial(id, place.record, now)
    end
    redis.call("HDEL", jobs, id)
    forget({ id })
    places[id] = nil
    answers[i] = "deleted"
  end
end
keep_states()
return answers
