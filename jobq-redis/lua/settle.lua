-- settle: end leases in any way but a plain completion, which `exchange` does in bulk.
--
-- ARGV[1]   now in ms, or "" for the server's clock
-- ARGV[2+]  for each lease: its member of the leased set, what becomes of the job, a number, a value:
--           complete  -         the result, or ""
--           retry     delay ms  the job's facts
--           snooze    delay ms  ""
--           release   -         ""
--           dead      -         the job's facts
--           cancel    -         ""
--
-- Returns   the positions of leases that had been lost
local now = clock(ARGV[1])

local function schedule(id, record, delay)
  local member = scheduled_member(record, id)
  redis.call("ZADD", scheduled, later(now, delay), member)
  if redis.call("ZRANK", scheduled, member) == 0 then
    wake_one()
  end
  changed(id)
end

local settle = {}

function settle.complete(id, record, _, result)
  lane_succeeded(lane_of(record))
  if result == "" then
    redis.call("HDEL", results, id)
  elseif retention_of(record) > 0 then
    redis.call("HSET", results, id, result)
  end
  finish(id, record, completed, now, result)
end

function settle.retry(id, record, delay, new_facts)
  redis.call("HSET", facts, id, new_facts)
  lane_failed(lane_of(record), now)
  schedule(id, record, delay)
end

function settle.snooze(id, record, delay)
  schedule(id, record, delay)
end

function settle.release(id, record)
  to_ready(id, record, true)
  wake_one()
end

function settle.dead(id, record, _, new_facts)
  redis.call("HSET", facts, id, new_facts)
  lane_failed(lane_of(record), now)
  bury(id, record, now)
end

function settle.cancel(id, record)
  finish(id, record, cancelled, now)
end

local COMES_BACK = { retry = true, snooze = true, release = true }

begin()
local lost = {}
for i = 2, #ARGV, 4 do
  local member, word, number, value = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3]
  local id = id_of(member)
  if not redis.call("ZSCORE", leased, member) then
    lost[#lost + 1] = (i + 2) / 4
  else
    local record = record_of(id)
    if record then
      -- A job that somebody wants cancelled does not come back, but success stays success.
      if word ~= "complete" and redis.call("HEXISTS", marks, id) == 1 then
        word = "cancel"
      end
      if COMES_BACK[word] and not waits_again(id, record) then
        -- Its place is taken, but it has failed all the same.
        if word == "retry" then
          lane_failed(lane_of(record), now)
        end
        word = "cancel"
      end
      settle[word](id, record, number, value)
      lease_ended(id, record, member, now)
    end
    redis.call("ZREM", leased, member)
  end
end
keep_states()
return lost
