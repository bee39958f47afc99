-- Where jobs are, by id. Leased ones are known by their lease, so finding them means looking at all
-- leases of the queue once, whose number is that of the jobs running right now.
local STEP = 1000

local function leases_of(wanted)
  local found = {}
  local start = 0
  repeat
    local members = redis.call("ZRANGE", leased, start, start + STEP - 1)
    for _, member in ipairs(members) do
      local id = id_of(member)
      if wanted[id] and #member == 32 then
        found[id] = member
      end
    end
    start = start + STEP
  until #members < STEP
  return found
end

-- A job is among the scheduled ones by its priority, which its record may not tell or no longer tell rightly.
local function look_in_all_levels(id, place)
  local members = {}
  for level = 0, 15 do
    members[level + 1] = string.char(level) .. id
  end
  local scores = redis.call("ZMSCORE", scheduled, unpack(members))
  for i, member in ipairs(members) do
    if scores[i] then
      place.state, place.at, place.due = "scheduled", scores[i], member
    end
  end
end

-- For each known id: its record, its state, the score it has there, and its lease if it has one.
local function places_of(ids)
  local places, unclear, any_unclear = {}, {}, false
  for _, id in ipairs(ids) do
    local record = record_of(id)
    if record then
      local place = { record = record, due = scheduled_member(record, id) }
      local function try(state, set, name)
        local score = not place.state and redis.call("ZSCORE", set, name)
        if score then
          place.state, place.at = state, score
        end
      end
      if redis.call("HEXISTS", places_in, id) == 1 then
        place.state, place.at = "ready", ""
      end
      if not place.state and redis.call("ZSCORE", waiting, id) then
        place.state, place.at = "waiting", ""
      end
      try("scheduled", scheduled, place.due)
      try("dead", dead, id)
      try("completed", completed, id)
      try("cancelled", cancelled, id)
      if not place.state then
        unclear[id] = true
        any_unclear = true
      end
      places[id] = place
    end
  end
  if any_unclear then
    local found = leases_of(unclear)
    for id in pairs(unclear) do
      local place, member = places[id], found[id]
      place.state = member and "leased" or "ready"
      place.lease = member
      place.at = member and redis.call("ZSCORE", leased, member) or ""
      if not member then
        look_in_all_levels(id, place)
      end
    end
  end
  return places
end
