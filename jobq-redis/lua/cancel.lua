-- cancel: call jobs off.
--
-- ARGV[1]   now in ms, or "" for the server's clock
-- ARGV[2+]  ids
--
-- Returns   for each job: "cancelled", "requested" (it is running), "ended" (it had before), "unknown"
local now = clock(ARGV[1])
local ids = { unpack(ARGV, 2) }
local places = places_of(ids)
local answers = {}
local IS_LIVE = { waiting = true, scheduled = true, ready = true }

begin()
for i, id in ipairs(ids) do
  local place = places[id]
  if place and place.state == "waiting" then
    -- It may have ended with one before it in this call.
    place = places_of({ id })[id]
    places[id] = place
  end
  if not place then
    answers[i] = "unknown"
  elseif place.state == "leased" then
    redis.call("HSET", marks, id, "1")
    answers[i] = "requested"
  elseif IS_LIVE[place.state] then
    free_place(id, place.record)
    withdraw(id, place)
    finish(id, place.record, cancelled, now)
    -- The same id may come twice.
    if retention_of(place.record) > 0 then
      place.state = "cancelled"
    else
      places[id] = nil
    end
    answers[i] = "cancelled"
  else
    answers[i] = "ended"
  end
end
keep_states()
return answers
