-- Takes a ready job out of its lane, or out of those held back.
local function withdraw_placed(id, place)
  local member = redis.call("HGET", places_in, id)
  redis.call("HDEL", places_in, id)
  if not no_longer_held_back(id, place.record, member) then
    redis.call("ZREM", laned, member)
    shrank(lane_in_member(member))
  end
end

-- Takes a waiting job out of where it waits. Its entry in a list would be slow to find: it is left
-- over, and dropped when it comes to the front. Should the job come back, its new entry carries the
-- generation of the note.
local function withdraw(id, place)
  if place.state == "scheduled" then
    redis.call("ZREM", scheduled, place.due)
  elseif place.state == "waiting" then
    redis.call("ZREM", waiting, id)
  elseif place.state == "ready" and redis.call("HEXISTS", places_in, id) == 1 then
    withdraw_placed(id, place)
  elseif place.state == "ready" then
    local note = redis.call("HGET", gone, id)
    local left_over = note and struct.unpack(">I4", note, 9) or 0
    local generation = redis.call("HINCRBY", meta, "generation", 1)
    redis.call("HSET", gone, id, struct.pack(">I8I4", generation, left_over + 1))
    redis.call("HINCRBY", meta, "gone", 1)
    unlaned_left()
  end
end
