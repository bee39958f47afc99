-- watch: what can be seen of a job, and a note to tell a process of the next change.
--
-- ARGV[1]  now in ms, or "" for the server's clock
-- ARGV[2]  id
-- ARGV[3]  the channel of the process; "" to tell nobody
-- ARGV[4]  how long the note is kept, in ms; 0 takes it away, and nothing is looked at
--
-- Returns  nothing if the job is not known; else 1 its state  2 report or ""  3 result or ""  4 facts or ""
local now = clock(ARGV[1])
local id, channel, kept_for = ARGV[2], ARGV[3], tonumber(ARGV[4])

-- Writes the note anew, without this process and those that have not looked again in time.
local function note_watcher()
  local field, parts = "w" .. id, {}
  local function add(name, ends)
    parts[#parts + 1] = struct.pack(">I6I1", ends, #name) .. name
  end
  for name, ends in watchers_in(redis.call("HGET", marks, field) or "") do
    if name ~= channel and ends > now then
      add(name, ends)
    end
  end
  if kept_for > 0 then
    add(channel, math.min(now + kept_for, 2 ^ 48 - 1))
  end
  if #parts > 0 then
    redis.call("HSET", marks, field, table.concat(parts))
  else
    redis.call("HDEL", marks, field)
  end
end

if channel ~= "" then
  begin()
  note_watcher()
  if kept_for == 0 then
    return nil
  end
end
local place = places_of({ id })[id]
if place then
  return {
    place.state,
    redis.call("HGET", reports, id) or "",
    place.state == "completed" and redis.call("HGET", results, id) or "",
    (place.state == "dead" or place.state == "scheduled") and redis.call("HGET", facts, id) or "",
  }
end
