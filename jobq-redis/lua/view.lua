-- view: all that is known of jobs.
--
-- ARGV[1+]  ids
--
-- Returns   for each known job: id, record, state, score, lease or "", facts or "", report or "",
--           result or "", and "1" if somebody wants it cancelled; also for one of the dead whose record is gone, ""
local places = places_of(ARGV)
local views = {}
for _, id in ipairs(ARGV) do
  local place = places[id]
  local died_at = not place and redis.call("ZSCORE", dead, id)
  if died_at then
    place = { record = "", state = "dead", at = died_at }
  end
  if place then
    views[#views + 1] = {
      id,
      place.record,
      place.state,
      place.at,
      place.lease or "",
      redis.call("HGET", facts, id) or "",
      redis.call("HGET", reports, id) or "",
      place.state == "completed" and redis.call("HGET", results, id) or "",
      redis.call("HGET", marks, id) or "",
    }
  end
end
return views
