-- What queues have to tell each other. What happens in one queue and concerns another is written down as
-- a note in the step in which it happens; `relay.rs` takes it there, and `deliver` reads it exactly once.
--
-- A note: its number (64 bits), the queue it is for after its length (8), its kind (8), when it was
-- written in ms (48), and what it says:
--
--   p  a job has ended: state (8 bits, see flow/parents), id, how many children (16), their ids, result
--   m  something has happened to a part of a batch: batch, change (8; see flow/batches), how many (32),
--      and what part
--   j  a callback is to be enqueued: id, when it is due after its length (8), record
--   o  a batch was called off: batch. For a queue that has jobs of it
--   u  the same. For the home of a batch that it counts: that batch
--   n  the same. For its own queue, to go on telling those that it counts: batch, and the last one told
--   f  a batch was forgotten: batch. For a queue that had jobs of it when it was called off
local write_note
do
  local outbox, last = KEYS[52], nil

  -- Numbers go by the clock, so that they never come again, even if the server loses what it had not
  -- saved while another, in a cluster, has read it.
  local function next_number()
    if not last then
      local time = redis.call("TIME")
      last = math.max(
        tonumber(redis.call("HGET", meta, "note") or "0"),
        tonumber(time[1]) * 1000000 + tonumber(time[2])
      )
    end
    last = last + 1
    redis.call("HSET", meta, "note", int(last))
    return last
  end

  function write_note(queue, kind, at, what)
    local number = next_number()
    local head = struct.pack(">I8I1", number, #queue) .. queue .. kind .. struct.pack(">I6", math.min(at, 2 ^ 48 - 1))
    redis.call("ZADD", outbox, int(number), head .. what)
  end
end

-- Whether notes wait to be delivered.
local function has_notes()
  return redis.call("EXISTS", KEYS[52]) == 1
end
