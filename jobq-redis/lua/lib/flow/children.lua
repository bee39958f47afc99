-- The jobs that wait for others: how they are told of an end, and go on.
--
-- A value of `children`: how many (16 bits); for each its id, and its queue after its length (8).
when_needed(kin, function()
  local children = KEYS[46]
  kin.MAX_CHILDREN = 1000
  -- So many jobs are told in one step. A chain goes on with a note to its own queue.
  local TOLD_AT_ONCE = 1000
  local told, is_telling, to_tell = 0, false, {}

  -- The ids of children by their queue, and the queues in their order.
  local function by_queue(packed)
    local found, queues, at = {}, {}, 3
    for _ = 1, struct.unpack(">I2", packed) do
      local length = string.byte(packed, at + 16)
      local queue = string.sub(packed, at + 17, at + 16 + length)
      if not found[queue] then
        found[queue] = {}
        queues[#queues + 1] = queue
      end
      table.insert(found[queue], string.sub(packed, at, at + 15))
      at = at + 17 + length
    end
    return found, queues
  end

  function kin.count_children(parent)
    return (struct.unpack(">I2", redis.call("HGET", children, parent) or "\0\0"))
  end

  -- Notes that a job is to be told of the end of another one. If that has ended, says how instead: letter
  -- and result. Else "live", "many" if it has as many children as it may, or nothing if it is not known.
  function kin.await_end(parent, child, queue)
    if redis.call("HEXISTS", jobs, parent) == 0 then
      return nil
    elseif redis.call("ZSCORE", completed, parent) then
      return "c", redis.call("HGET", results, parent)
    elseif redis.call("ZSCORE", cancelled, parent) then
      return "x"
    elseif redis.call("ZSCORE", dead, parent) then
      return "d"
    end
    local known = redis.call("HGET", children, parent) or "\0\0"
    local entry = child .. string.char(#queue) .. queue
    if not string.find(known, entry, 3, true) then
      local count = struct.unpack(">I2", known)
      if count >= kin.MAX_CHILDREN then
        return "many"
      end
      redis.call("HSET", children, parent, struct.pack(">I2", count + 1) .. string.sub(known, 3) .. entry)
    end
    return "live"
  end

  -- Makes a job ready, or scheduled if it is due later.
  function kin.place(id, record, when, now)
    local due
    if string.byte(when) == 43 then
      due = now + tonumber(string.sub(when, 2))
    elseif when ~= "" then
      due = tonumber(when)
    end
    if due and due > now then
      local member = scheduled_member(record, id)
      redis.call("ZADD", scheduled, int(math.min(due, LAST_INSTANT)), member)
      changed(id)
    else
      to_ready(id, record)
    end
    wake_one()
  end

  local WORDS = { x = "cancelled", d = "dead" }
  local PARENT = 6

  local function note_failure(id, reference, letter, now)
    local known = redis.call("HGET", facts, id) or ""
    if #known < 4 then
      known = "\0\0\0\0"
    end
    local uuid = string.gsub(string.sub(reference, 1, 16), ".", function(byte)
      return string.format("%02x", string.byte(byte))
    end)
    local name = string.gsub(uuid, "^(........)(....)(....)(....)", "%1-%2-%3-%4-")
    local message = "parent " .. name .. " of queue " .. string.sub(reference, 17) .. " is " .. WORDS[letter]
    local attempt = math.min(struct.unpack(">I2", known) + 1, 65535)
    local failure = struct.pack(">I1I2I6", PARENT, attempt, now)
      .. string.rep("\0", 8)
      .. struct.pack(">I2", #message)
      .. message
    redis.call("HSET", facts, id, known .. failure)
  end

  -- Tells a job how one that it waits for has ended.
  function kin.tell_child(id, reference, letter, result, now)
    local record = record_of(id)
    if not record then
      kin.note_early(id, reference, letter, result, now)
      return
    end
    local unmet, policy, when = kin.note_outcome(id, reference, letter, result)
    if not unmet or not redis.call("ZSCORE", waiting, id) then
      return
    end
    if letter ~= "c" and policy == "f" then
      note_failure(id, reference, letter, now)
      bury(id, record, now)
      redis.call("ZREM", waiting, id)
    elseif letter ~= "c" and policy == "s" then
      finish(id, record, cancelled, now)
      redis.call("ZREM", waiting, id)
    elseif unmet == 0 then
      kin.place(id, record, when, now)
      redis.call("ZREM", waiting, id)
    end
  end

  local function write_children_note(queue, parent, letter, ids, result, now)
    write_note(queue, "p", now, letter .. parent .. struct.pack(">I2", #ids) .. table.concat(ids) .. (result or ""))
  end

  -- Tells one job, wherever it is, how one that it waits for has ended.
  function kin.tell_one(queue, id, parent, letter, result, now)
    if queue == this_queue then
      kin.tell_child(id, parent .. this_queue, letter, result, now)
    else
      write_children_note(queue, parent, letter, { id }, result, now)
    end
  end

  -- Tells those of this queue, each after the ones before: a chain of any length takes no stack.
  local function tell_own()
    if is_telling then
      return
    end
    is_telling = true
    while #to_tell > 0 do
      local news = table.remove(to_tell, 1)
      if told >= TOLD_AT_ONCE then
        write_children_note(this_queue, news.parent, news.letter, news.ids, news.result, news.at)
      else
        for _, id in ipairs(news.ids) do
          kin.tell_child(id, news.parent .. this_queue, news.letter, news.result, news.at)
        end
        told = told + #news.ids
      end
    end
    is_telling = false
  end

  function kin.tell_children(parent, letter, result, now)
    local packed = redis.call("HGET", children, parent)
    if not packed then
      return
    end
    local found, queues = by_queue(packed)
    for _, queue in ipairs(queues) do
      if queue == this_queue then
        table.insert(to_tell, { parent = parent, letter = letter, ids = found[queue], result = result, at = now })
      else
        write_children_note(queue, parent, letter, found[queue], result, now)
      end
    end
    redis.call("HDEL", children, parent)
    tell_own()
  end
end)

when_needed(home, function()
  -- Enqueues a callback of a batch, unless its id is known.
  function home.enqueue(id, record, when, now)
    record = string.sub(record, 1, 8) .. struct.pack(">I6", now) .. string.sub(record, 15)
    if redis.call("HSETNX", jobs, id, record) == 1 then
      if has(record, 16) or has(record, 64) then
        redis.call("SET", flow, "1")
      end
      kin.place(id, record, when, now)
    end
  end
end)
