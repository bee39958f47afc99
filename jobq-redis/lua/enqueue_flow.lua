-- enqueue_flow: add jobs that have a lane, a unique mode or a family, or whose queue has limits. It is
-- `enqueue` for queues with flow control.
--
-- ARGV[1]   now in ms, or "" for the server's clock
-- ARGV[2]   "", or the queue that has written a note by which this callback is to be enqueued
-- ARGV[3]   "", or the number of that note
-- ARGV[4+]  for each job: id, record, when it is due: "" for now, "+ms" for a delay, "ms" for an instant;
--           and its family, "" for none: see `lib/flow/join`
--
-- Returns   for each job "" if it was added, "d" and the id that stands for it, followed by its queue if the
--           key counts among all queues, or "r" and the id that it took the place of; then "1" if there are notes to deliver from here now, else "0". Or one text
--           if the call was refused whole, with line feeds between: "limited", the lane ("" for the
--           queue), the most it may hold and what it holds; "no batch", "ended", "no parent" or "many
--           children", and the numbers of the job and of its parent
local now = clock(ARGV[1])
local sender, note = ARGV[2], ARGV[3]
local FIRST, STEP = 4, 4

-- A callback is enqueued exactly once.
if sender ~= "" then
  if tonumber(redis.call("HGET", KEYS[53], sender) or "0") >= tonumber(note) then
    return { "", "0" }
  end
  -- A full server takes it: it comes from within, and others wait behind it.
  begin()
  redis.call("HSET", KEYS[53], sender, note)
end

-- What becomes of each job, before anything is written: the queue may be too full for all of them.
local WAITS = { waiting = true, scheduled = true, ready = true }
local plans = {}
local new_ids, new_keys, replaced = {}, {}, {}
local is_any_replaced = false
local added, added_to = 0, {}

local function due_at(when, record, first_at)
  local mode, _, delay, at_most = mode_of(record)
  local at
  if mode == DEBOUNCE then
    at = now + delay
    if at_most > 0 then
      at = math.min(at, first_at + at_most)
    end
  elseif when == "" then
    return nil
  elseif string.byte(when, 1) == 43 then
    at = now + tonumber(string.sub(when, 2))
  else
    at = tonumber(when)
  end
  return at > now and math.min(at, LAST_INSTANT) or nil
end

local new_in_lane = {}

-- The lane that a waiting job is among the ready ones of, if any.
local function lane_with(id)
  if new_ids[id] then
    return new_in_lane[id]
  end
  return redis.call("HEXISTS", places_in, id) == 1 and lane_of(record_of(id)) or nil
end

local function count_in(lane, change)
  added_to[lane] = (added_to[lane] or 0) + change
end

local function plan(id, record, when, family, is_known)
  if new_ids[id] or is_known and not replaced[id] then
    return { other = id }
  end
  local fault, parent = family_fault(id, record, family, new_ids)
  if fault then
    return { fault = fault, parent = parent }
  end
  local mode, digest = mode_of(record), digest_of(record)
  local first_at, began_at = now, nil
  local previous, gone_lane
  if digest and mode ~= WHILE_RUNNING then
    local set = keys_for(record)
    local holder, word, instant, holders_queue = holder_of(set, digest, now)
    local newest = new_keys[set .. digest]
    if newest then
      holder, word, instant = newest.id, newest.word, newest.first_at
    end
    if holder then
      local held_by = new_ids[holder] or record_of(holder)
      if mode ~= DEBOUNCE and mode ~= LATEST_WINS then
        return { other = holder, queue = not newest and holders_queue or "" }
      end
      -- One that has started or ended cannot be replaced.
      if not held_by or not new_ids[holder] and not holds_while_waiting(held_by) and not WAITS[places_of({ holder })[holder].state] then
        return { other = holder }
      end
      previous = holder
      first_at = word == "d" and instant or enqueued_at(held_by)
    end
    began_at = (mode == DEBOUNCE or mode == LATEST_WINS) and first_at or nil
    new_keys[set .. digest] = { id = id, word = began_at and "d" or "", first_at = began_at }
  end
  if previous and retention_of(new_ids[previous] or record_of(previous)) == 0 then
    replaced[previous], gone_lane = true, lane_with(previous)
    is_any_replaced = true
    new_ids[previous] = nil
  elseif previous then
    gone_lane = lane_with(previous)
  end
  new_ids[id], replaced[id] = record, nil
  local due = due_at(when, record, first_at)
  if not previous then
    added = added + 1
  end
  if not due and not family.header then
    new_in_lane[id] = lane_of(record)
    count_in(new_in_lane[id], 1)
  end
  if gone_lane then
    count_in(gone_lane, -1)
  end
  return { previous = previous, due = due, began_at = began_at }
end

local given_ids = {}
for i = FIRST, #ARGV, STEP do
  given_ids[#given_ids + 1] = ARGV[i]
end
local families, known = {}, redis.call("HMGET", jobs, unpack(given_ids))
for n, id in ipairs(given_ids) do
  local i = FIRST + (n - 1) * STEP
  families[n] = family_in(ARGV[i + 3])
  plans[n] = plan(id, ARGV[i + 1], ARGV[i + 2], families[n], known[n])
end

-- How many jobs of the queue have neither started nor ended.
local function count_waiting()
  local count = redis.call("HLEN", jobs) - redis.call("ZCOUNT", leased, "-inf", "(+inf")
  for _, ended in ipairs({ completed, cancelled, dead }) do
    count = count - redis.call("ZCARD", ended)
  end
  return count
end

local function refusal()
  for n, what in ipairs(plans) do
    if what.fault then
      return { what.fault, n, what.parent or 0 }
    end
  end
  -- Callbacks come from within.
  if sender ~= "" then
    return nil
  end
  local size = queue_limits().size
  if size and added > 0 then
    local count = count_waiting()
    if count + added > size then
      return { "limited", "", int(size), int(count) }
    end
  end
  for lane, more in pairs(added_to) do
    local lane_size = more > 0 and lane_limits(lane).size
    if lane_size then
      local count = count_ready(lane)
      if count + more > lane_size then
        return { "limited", lane, int(lane_size), int(count) }
      end
    end
  end
end

local refused = refusal()
if refused then
  return table.concat(refused, "\n")
end

-- Jobs that become ready wait here, to be written all at once.
local coming = {}
local function write_coming()
  all_to_ready(coming)
  coming = {}
end

-- Ends the job whose place another takes.
local function replace(id)
  write_coming()
  local place = places_of({ id })[id]
  if place then
    free_place(id, place.record)
    withdraw(id, place)
    finish(id, place.record, cancelled, now)
  end
end

-- A callback needs no more than the queue has.
if sender == "" or has(ARGV[FIRST + 1], 16) or has(ARGV[FIRST + 1], 64) then
  redis.call("SET", flow, "1")
end
local answers, earliest = {}, false
local any_ready = false
count_members_of(plans, function(n)
  return ARGV[FIRST + (n - 1) * STEP + 1], families[n]
end, now)
-- One whose place another takes may come again in the same call: then all is written in turn.
if not is_any_replaced then
  local new_records = {}
  for n, what in ipairs(plans) do
    if not what.other then
      new_records[#new_records + 1] = given_ids[n]
      new_records[#new_records + 1] = ARGV[FIRST + (n - 1) * STEP + 1]
    end
  end
  if #new_records > 0 then
    redis.call("HSET", jobs, unpack(new_records))
  end
end
for n, what in ipairs(plans) do
  local i = FIRST + (n - 1) * STEP
  local id, record = ARGV[i], ARGV[i + 1]
  if what.other then
    answers[n] = "d" .. what.other .. (what.queue or "")
    if what.other == id and families[n].children[1] then
      -- If it has ended they may be ready now: behind the jobs before it.
      write_coming()
      adopt(id, families[n].children, now)
    end
  else
    if is_any_replaced then
      redis.call("HSET", jobs, id, record)
    end
    if what.previous then
      replace(what.previous)
    end
    hold_key(id, record, now, what.began_at)
    adopt(id, families[n].children, now)
    if families[n].header then
      write_coming()
      wait_for_parents(id, families[n], now)
    elseif what.due then
      local member = scheduled_member(record, id)
      redis.call("ZADD", scheduled, int(what.due), member)
      earliest = earliest or redis.call("ZRANK", scheduled, member) == 0
    else
      coming[#coming + 1] = { id, record }
      any_ready = true
    end
    answers[n] = what.previous and "r" .. what.previous or ""
  end
end
write_coming()
if any_ready or earliest then
  wake_one()
end
keep_states()
answers[#answers + 1] = has_notes() and "1" or "0"
return answers
