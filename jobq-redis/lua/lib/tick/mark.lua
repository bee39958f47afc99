-- Marks of schedules, in a hash of the queue that their jobs go to: group, "/" and name -> the mark.
--
-- A mark is a line of words: the revision of the definition, "1" if paused or "0", the last tick, when its job
-- was last enqueued or left out (both in ms; 0 for never), what became of it: "e" enqueued, "d" duplicate,
-- "l" left out, "-" nothing yet. After the line, the ids of jobs that may still be live, the newest last.
local function read_mark(bytes)
  if not bytes then
    return { revision = 0, paused = "0", last = 0, acted_at = 0, outcome = "-", jobs = "" }
  end
  local cut = string.find(bytes, "\n", 1, true)
  local line = string.sub(bytes, 1, cut - 1)
  local revision, paused, last, acted_at, outcome = string.match(line, "^(%d+) (%d) (%d+) (%d+) (.)$")
  return {
    revision = tonumber(revision),
    paused = paused,
    last = tonumber(last),
    acted_at = tonumber(acted_at),
    outcome = outcome,
    jobs = string.sub(bytes, cut + 1),
  }
end

local function write_mark(ticks, schedule, mark)
  local line = string.format(
    "%.0f %s %.0f %.0f %s\n",
    mark.revision,
    mark.paused,
    mark.last,
    mark.acted_at,
    mark.outcome
  )
  redis.call("HSET", ticks, schedule, line .. mark.jobs)
end

-- Milliseconds since the epoch: as given, or the server's.
local function time_given(given)
  if given ~= "" then
    return tonumber(given)
  end
  local time = redis.call("TIME")
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
