-- Unique keys: who waits with one, and who runs with one. `docs/flow-control.md` has the modes.
--
-- A value of `unique`: id (16 bytes); then for a throttle "t" and until when it is held (64), else "d" and when
-- the row of jobs began that the holder is the last of (64); neither if that was with its enqueue. Keys that count among all queues are in a hash of
-- the prefix, as shared limits are; there the queue follows, with "q" and no instant (64 zeros) if there is none.
local unique_everywhere = "{" .. prefix .. "}:unique"

-- The hash that has the key of a job.
local function keys_for(record)
  local _, everywhere = mode_of(record)
  return everywhere and unique_everywhere or unique
end

-- Who holds the key of a digest at a time, and the rest of the value; nothing if nobody does.
local function holder_of(set, digest, now)
  local value = redis.call("HGET", set, digest)
  if not value then
    return nil
  end
  local word = string.sub(value, 17, 17)
  local instant = word ~= "" and struct.unpack(">I8", value, 18) or nil
  if word == "t" and instant <= now then
    return nil
  end
  return string.sub(value, 1, 16), word, instant, string.sub(value, 26)
end

-- Whether a job holds its waiting key only as long as it waits.
local function holds_while_waiting(record)
  local mode = mode_of(record)
  return mode == UNTIL_STARTED or mode == DEBOUNCE or mode == LATEST_WINS
end

-- Gives the waiting key to a job; says when its row began, unless that is with its enqueue.
local function hold_key(id, record, now, began_at)
  local digest = digest_of(record)
  local mode, everywhere, first = mode_of(record)
  if not digest or mode == WHILE_RUNNING then
    return
  end
  local value = id
  if mode == THROTTLE then
    value = id .. "t" .. struct.pack(">I8", now + first)
    redis.call("ZADD", idle, int(now + first), (everywhere and "g" or "k") .. digest)
  elseif began_at then
    value = id .. "d" .. struct.pack(">I8", began_at)
  end
  if everywhere then
    value = (#value > 16 and value or id .. "q" .. struct.pack(">I8", 0)) .. this_queue
  end
  redis.call("HSET", keys_for(record), digest, value)
end

-- Frees the key of a job that ends. A throttle goes on unless the job was called off.
local function free_unique(id, record, is_called_off_by_people)
  if is_stand_in(record) then
    for _, set in ipairs({ unique, unique_everywhere }) do
      for _, digest in ipairs(fields_of(set, id)) do
        local holder = redis.call("HGET", set, digest)
        if holder and string.sub(holder, 1, 16) == id then
          redis.call("HDEL", set, digest)
        end
      end
    end
    return
  end
  local digest = digest_of(record)
  if not digest then
    return
  end
  if mode_of(record) == THROTTLE and not is_called_off_by_people then
    return
  end
  local holder = redis.call("HGET", keys_for(record), digest)
  if holder and string.sub(holder, 1, 16) == id then
    redis.call("HDEL", keys_for(record), digest)
  end
end

-- Whether no other job of its key may run beside a job.
local function runs_alone(record)
  local mode = mode_of(record)
  return mode == WHILE_RUNNING or mode == LATEST_WINS
end

-- Whether a running job holds the key of a job that is next.
local function is_held_back(record)
  return runs_alone(record) and redis.call("HGET", running, digest_of(record))
end

-- A job that was let go for a key is noted in `running` as long as it may still be leased next. Notes no
-- longer, and says whether it was this one.
local function no_longer_next(id, digest)
  local note = "n" .. digest
  return redis.call("HGET", running, note) == id and redis.call("HDEL", running, note) == 1
end

-- Puts a job aside until the lease that holds its key has ended. It is still ready.
local function hold_back(id, record)
  no_longer_next(id, digest_of(record))
  local position = redis.call("HINCRBY", meta, "back", 1)
  local member = "d" .. digest_of(record) .. struct.pack(">I8", 2 ^ 52 + position) .. id
  redis.call("ZADD", held_back, 0, member, 0, "l" .. lane_of(record) .. "\0" .. id)
  redis.call("HSET", places_in, id, member)
end

-- What a lease does to the key of its job.
local function start_with_key(id, record)
  local digest = digest_of(record)
  if not digest then
    return
  end
  local mode = mode_of(record)
  if mode == UNTIL_STARTED or mode == DEBOUNCE or mode == LATEST_WINS then
    free_unique(id, record, true)
  end
  if runs_alone(record) then
    redis.call("HSET", running, digest, id)
    no_longer_next(id, digest)
  end
end

local function no_longer_held_back(id, record, member)
  local of_lane = "l" .. lane_of(record) .. "\0" .. id
  if is_stand_in(record) then
    for _, other in ipairs(redis.call("ZRANGEBYLEX", held_back, "[l", "(m")) do
      of_lane = string.sub(other, -16) == id and other or of_lane
    end
  end
  return redis.call("ZREM", held_back, member, of_lane) > 0
end

-- Makes the first job ready again that is held back for a key, now that nobody runs with it. If there are
-- more, they wait until it has been leased or goes.
local function let_go(digest, make_ready)
  local from, to = "[d" .. digest, "[d" .. digest .. string.rep("\255", 25)
  local found = redis.call("ZRANGEBYLEX", held_back, from, to, "LIMIT", 0, 2)
  local first = found[1]
  if first then
    local next_id = string.sub(first, -16)
    local next_record = record_of(next_id)
    redis.call("HDEL", places_in, next_id)
    if next_record then
      no_longer_held_back(next_id, next_record, first)
      make_ready(next_id, next_record, true)
      if found[2] then
        redis.call("HSET", running, "n" .. digest, next_id)
      end
      wake_one()
    end
  end
end

-- The key that a job runs with, or waits with to be the next that does.
local function key_to_run_with(id, record)
  if is_stand_in(record) then
    local field = fields_of(running, id)[1]
    return field and string.sub(field, -16)
  end
  return runs_alone(record) and digest_of(record)
end

-- Frees the running key of a job whose lease has ended, and lets the next one go.
local function free_running(id, record, make_ready)
  local digest = key_to_run_with(id, record)
  if digest and redis.call("HGET", running, digest) == id then
    redis.call("HDEL", running, digest)
    let_go(digest, make_ready)
  end
end

-- A job goes before its lease. If it was let go itself, the next one is in its place. That anyone else goes
-- lets nobody go.
local function pass_on(id, record, make_ready)
  local digest = key_to_run_with(id, record)
  if digest and no_longer_next(id, digest) and redis.call("HEXISTS", running, digest) == 0 then
    let_go(digest, make_ready)
  end
end

-- A job that waits again after an attempt takes its waiting key again. Says no if another one waits with
-- it by now, which takes its place.
local function waits_again(id, record)
  if mode_of(record) ~= LATEST_WINS then
    return true
  end
  local digest = digest_of(record)
  local holder = holder_of(unique, digest, present)
  if holder and holder ~= id then
    return false
  end
  hold_key(id, record, present, present)
  return true
end
