-- The batches that are at home here: how they are counted, and when they end.
--
-- A value of `batches`: jobs in all, done, failed, cancelled (48 bits each); flags (8); when it was opened
-- and when it ended, 0 if it has not (48 each).
--
-- Fields of the `about` hash:
--
--   i, batch  its retention in ms (48 bits), the batch that counts it: its home after its length (8 bits;
--             0 and nothing more if none does), and its id; then the name
--   s, batch  the callback on success; f on failure, c on completion. Taken out when it is enqueued, and
--             so enqueued once: its queue after its length (8), id, when it is due after its length (8),
--             record
--   q, batch  other queues that have had jobs of it, each after its length (8)
--
-- What may happen to parts of a batch:
--
--   +  jobs were added (what: their queue)     N  a batch is to be counted (what: a part)
--   c  jobs have completed                     S  it has ended, and nothing failed
--   x  jobs were cancelled                     F  it has ended, and something failed
--   d  a job has died (what: a part)           V  it goes on after it had failed
--   r  a dead job is to run again              W  it goes on after it had succeeded
--   g  a dead job was forgotten
--
-- A part: its queue, 0, its id.
local home = {}
when_needed(home, function()
  local batches, about, opened, parts, called_off, expiring =
    KEYS[47], KEYS[48], KEYS[49], KEYS[50], KEYS[51], KEYS[54]
  local CLOSED, ENDED, CALLED_OFF, CANCEL_ON_FAILURE, SUCCEEDED = 1, 2, 4, 8, 16
  local COUNTS = ">I6I6I6I6I1I6I6"
  -- So many batches that are counted by one are told at once that it was called off.
  local STEP = 500
  -- Batches that count each other are told directly down to here, and deeper by notes.
  local MAX_DEPTH = 50
  local depth = 0

  local function flagged(batch, flag)
    return math.floor(batch.flags / flag) % 2 == 1
  end

  local function set_flag(batch, flag, is_set)
    if flagged(batch, flag) ~= is_set then
      batch.flags = batch.flags + (is_set and flag or -flag)
    end
  end

  local function read(id)
    local packed = redis.call("HGET", batches, id)
    if packed then
      local batch = { id = id }
      batch.total, batch.done, batch.failed, batch.cancelled, batch.flags, batch.opened_at, batch.ended_at =
        struct.unpack(COUNTS, packed)
      return batch
    end
  end

  local function write(batch)
    redis.call("HSET", batches, batch.id, struct.pack(COUNTS, batch.total, batch.done, batch.failed,
      batch.cancelled, batch.flags, batch.opened_at, batch.ended_at))
  end

  local function retention_and_parent(id)
    local info = redis.call("HGET", about, "i" .. id)
    local retention, length = struct.unpack(">I6I1", info)
    if length == 0 then
      return retention
    end
    -- The id comes after the queue.
    return retention, string.sub(info, 8 + length, 23 + length), string.sub(info, 8, 7 + length)
  end

  -- Whether jobs may be added: nothing if the batch is not known, else "ended", "called off" or "open".
  function home.standing_of(id)
    local batch = read(id)
    if not batch then
      return nil
    elseif flagged(batch, ENDED) then
      return "ended"
    end
    return flagged(batch, CALLED_OFF) and "called off" or "open"
  end

  local function enqueue_callback(id, which, now)
    local callback = redis.call("HGET", about, which .. id)
    if callback then
      local length = string.byte(callback)
      local queue, job = string.sub(callback, 2, 1 + length), string.sub(callback, 2 + length)
      length = string.byte(job, 17)
      local when, record = string.sub(job, 18, 17 + length), string.sub(job, 18 + length)
      -- Another job may hold its unique key: that is looked at where it is delivered.
      if queue == this_queue and not has(record, 1) then
        home.enqueue(string.sub(job, 1, 16), record, when, now)
      else
        write_note(queue, "j", now, job)
      end
      redis.call("HDEL", about, which .. id)
    end
  end

  -- Draws the consequences of new counts, and writes them.
  local function settle(batch, now)
    local id = batch.id
    local has_failures = batch.failed + batch.cancelled > 0
    local is_done = flagged(batch, CLOSED) and batch.total <= batch.done + batch.failed + batch.cancelled
    local had_ended = flagged(batch, ENDED)
    if has_failures then
      enqueue_callback(id, "f", now)
    end
    if is_done == had_ended then
      write(batch)
      return
    end
    local had_succeeded = flagged(batch, SUCCEEDED)
    set_flag(batch, ENDED, is_done)
    set_flag(batch, SUCCEEDED, is_done and not has_failures)
    batch.ended_at = is_done and now or 0
    write(batch)
    local retention, parent, parents_home = retention_and_parent(id)
    if is_done then
      if not has_failures then
        enqueue_callback(id, "s", now)
      end
      enqueue_callback(id, "c", now)
      redis.call("ZADD", expiring, later(now, retention), "b" .. id)
    else
      redis.call("ZREM", expiring, "b" .. id)
    end
    if parent then
      local what = is_done and (has_failures and "F" or "S") or (had_succeeded and "W" or "V")
      home.tell(parent, parents_home, what, 1, now, this_queue .. "\0" .. id)
    end
  end

  -- Opens a batch, and says whether it was new.
  function home.open(id, flags, info, callbacks, now)
    if redis.call("HEXISTS", batches, id) == 1 then
      return false
    end
    redis.call("HSET", about, "i" .. id, info)
    for which, callback in pairs(callbacks) do
      if callback ~= "" then
        redis.call("HSET", about, which .. id, callback)
      end
    end
    redis.call("ZADD", opened, int(now), id)
    if math.floor(flags / CALLED_OFF) % 2 == 1 then
      redis.call("HSET", called_off, id, "1")
    end
    redis.call("HSET", batches, id, struct.pack(COUNTS, 0, 0, 0, 0, flags, now, 0))
    return true
  end

  -- Closes a batch: nothing if it is not known, false if it was closed.
  function home.close(id, now)
    local batch = read(id)
    if not batch then
      return nil
    elseif flagged(batch, CLOSED) then
      return false
    end
    set_flag(batch, CLOSED, true)
    settle(batch, now)
    return true
  end

  -- Tells the batches that one counts that it was called off, from one of them on.
  function home.tell_of_called_off(id, after, now)
    local prefix = "n" .. id
    local from = after == "" and "[" .. prefix or "(" .. prefix .. after
    local found = redis.call("ZRANGEBYLEX", parts, from, "(" .. prefix .. "\255", "LIMIT", 0, STEP)
    for _, member in ipairs(found) do
      local part = string.sub(member, 18)
      write_note(string.sub(part, 1, -18), "u", now, string.sub(part, -16))
    end
    if #found == STEP then
      write_note(this_queue, "n", now, id .. string.sub(found[STEP], 18))
    end
  end

  -- Calls off the jobs of a batch that have not started; says whether it is known.
  function home.call_off(id, now)
    local batch = read(id)
    if not batch then
      return false
    end
    if not flagged(batch, CALLED_OFF) and not flagged(batch, ENDED) then
      set_flag(batch, CALLED_OFF, true)
      redis.call("HSET", called_off, id, "1")
      write(batch)
      local queues, at = redis.call("HGET", about, "q" .. id) or "", 1
      while at <= #queues do
        local length = string.byte(queues, at)
        write_note(string.sub(queues, at + 1, at + length), "o", now, id)
        at = at + 1 + length
      end
      home.tell_of_called_off(id, "", now)
    end
    return true
  end

  -- Notes that a queue has jobs of a batch, which may have been called off.
  local function note_queue(batch, queue, now)
    local field = "q" .. batch.id
    local known, entry = redis.call("HGET", about, field) or "", string.char(#queue) .. queue
    local at = 1
    while at <= #known do
      local length = string.byte(known, at)
      if string.sub(known, at, at + length) == entry then
        return
      end
      at = at + 1 + length
    end
    redis.call("HSET", about, field, known .. entry)
    if flagged(batch, CALLED_OFF) then
      write_note(queue, "o", now, batch.id)
    end
  end

  local change = {
    ["+"] = function(batch, count, queue, now)
      batch.total = batch.total + count
      if queue ~= this_queue then
        note_queue(batch, queue, now)
      end
    end,
    c = function(batch, count)
      batch.done = batch.done + count
    end,
    x = function(batch, count)
      batch.cancelled = batch.cancelled + count
    end,
    d = function(batch, _, part)
      batch.failed = batch.failed + 1
      redis.call("ZADD", parts, 0, "d" .. batch.id .. part)
      return true
    end,
    r = function(batch, _, part)
      if redis.call("ZREM", parts, "d" .. batch.id .. part) == 1 then
        batch.failed = batch.failed - 1
      end
    end,
    g = function(batch, _, part)
      redis.call("ZREM", parts, "d" .. batch.id .. part)
    end,
    N = function(batch, _, part, now)
      batch.total = batch.total + 1
      redis.call("ZADD", parts, 0, "n" .. batch.id .. part)
      if flagged(batch, CALLED_OFF) then
        write_note(string.sub(part, 1, -18), "u", now, string.sub(part, -16))
      end
    end,
    S = function(batch, _, part)
      batch.done = batch.done + 1
      redis.call("ZREM", parts, "n" .. batch.id .. part)
    end,
    F = function(batch, _, part)
      batch.failed = batch.failed + 1
      redis.call("ZREM", parts, "n" .. batch.id .. part)
      return true
    end,
    V = function(batch, _, part)
      batch.failed = batch.failed - 1
      redis.call("ZADD", parts, 0, "n" .. batch.id .. part)
    end,
    W = function(batch, _, part)
      batch.done = batch.done - 1
      redis.call("ZADD", parts, 0, "n" .. batch.id .. part)
    end,
  }

  -- Something has happened to parts of a batch that is at home here, if it is still known.
  function home.count(id, what, count, now, part)
    local batch = read(id)
    if not batch then
      return
    end
    local is_failure = change[what](batch, count, part, now)
    settle(batch, now)
    if is_failure and flagged(batch, CANCEL_ON_FAILURE) then
      home.call_off(id, now)
    end
  end

  -- Tells a batch, wherever its home is, what has happened to parts of it.
  function home.tell(id, queue, what, count, now, part)
    if queue == this_queue and depth < MAX_DEPTH then
      depth = depth + 1
      home.count(id, what, count, now, part)
      depth = depth - 1
    else
      write_note(queue, "m", now, id .. what .. struct.pack(">I4", count) .. (part or ""))
    end
  end

  -- Forgets a batch that is past its retention, `limit` of its parts at a time; says whether it is done.
  function home.forget(id, now, limit)
    local batch = read(id)
    if batch then
      local dead_parts = redis.call("ZRANGEBYLEX", parts, "[d" .. id, "(d" .. id .. "\255", "LIMIT", 0, limit)
      if #dead_parts > 0 then
        redis.call("ZREM", parts, unpack(dead_parts))
      end
      if #dead_parts == limit then
        return false
      end
      local queues, at = redis.call("HGET", about, "q" .. id) or "", 1
      while flagged(batch, CALLED_OFF) and at <= #queues do
        local length = string.byte(queues, at)
        write_note(string.sub(queues, at + 1, at + length), "f", now, id)
        at = at + 1 + length
      end
      redis.call("HDEL", batches, id)
      redis.call("HDEL", about, "i" .. id, "s" .. id, "f" .. id, "c" .. id, "q" .. id)
      redis.call("ZREM", opened, id)
      redis.call("HDEL", called_off, id)
    end
    redis.call("ZREM", expiring, "b" .. id)
    return true
  end
end)
