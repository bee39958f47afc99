-- claim: enqueue the job of a tick and move the mark of its schedule, or leave the tick out, or do nothing
-- and say why. It is put around `enqueue` and `enqueue_flow`, which say below what keys and arguments come
-- before these:
--
-- KEYS, the last five       jobs, completed, cancelled, dead; ticks, see tick/mark
-- ARGV, the last eight      group, "/" and name of the schedule
--                           the revision of the definition
--                           until when it can be relied upon, in ms
--                           since when it holds, in ms
--                           the tick in ms, or "" to run by hand
--                           when that runs, in ms
--                           the ids of the jobs taken to be live, or "*" if it does not matter
--                           the id of the job that is enqueued, or "" to leave the tick out
--
-- Returns   "flow", nothing done: say it again with `enqueue_flow`; or a list of a word and what belongs to it:
--           "claimed", what became of the job as `enqueue` or `enqueue_flow` says, "1" if there are notes to
--           deliver; "stale"; "superseded"; "paused"; "taken", the last tick or 0; "early", now;
--           "overlap", the ids of the jobs that are live; "refused", why, as `enqueue_flow` says
local given, ARGV = ARGV, {}
local COUNT, MOST_JOBS = 8, 64
for i = 1, #given - COUNT do
  ARGV[i] = given[i]
end
local ticks = KEYS[#KEYS]
local schedule, revision = given[#given - 7], tonumber(given[#given - 6])
local good_until, since = tonumber(given[#given - 5]), tonumber(given[#given - 4])
local tick, runs_at = tonumber(given[#given - 3]), tonumber(given[#given - 2])
local taken_to_be_live, job = given[#given - 1], given[#given]
local at = time_given(ARGV[1])
local mark = read_mark(redis.call("HGET", ticks, schedule))

if tick then
  if at > good_until then
    return { "stale" }
  elseif mark.revision > revision then
    return { "superseded" }
  elseif mark.paused == "1" then
    return { "paused" }
  elseif tick <= since or tick <= mark.last then
    return { "taken", string.format("%.0f", mark.last) }
  elseif runs_at > at then
    return { "early", string.format("%.0f", at) }
  end
end

-- Jobs of the schedule that are live: known, and not ended and kept. At most as many as a mark holds.
local live = ""
if taken_to_be_live ~= "*" then
  for start = 1, #mark.jobs, 16 do
    local id = string.sub(mark.jobs, start, start + 15)
    if
      redis.call("HEXISTS", KEYS[#KEYS - 4], id) == 1
      and not redis.call("ZSCORE", KEYS[#KEYS - 3], id)
      and not redis.call("ZSCORE", KEYS[#KEYS - 2], id)
      and not redis.call("ZSCORE", KEYS[#KEYS - 1], id)
    then
      live = live .. id
    end
  end
  if live ~= taken_to_be_live then
    return { "overlap", live }
  end
end

local function enqueue()
