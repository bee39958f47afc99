-- Those who watch jobs, and how they learn that there is something new to see.
--
-- Under "w" and a job's id `marks` has a note of the processes that watch it: for each, until when (48
-- bits) and its channel after its length (8). A note is used up by the first change: whoever looks again
-- leaves another. So no job is ever told of twice between two looks, and the dead leave nothing behind.

-- Each process of a note and until when it watches.
local function watchers_in(note)
  local at = 1
  return function()
    if at > #note then
      return nil
    end
    local ends, length = struct.unpack(">I6I1", note, at)
    local channel = string.sub(note, at + 7, at + 6 + length)
    at = at + 7 + length
    return channel, ends
  end
end

-- Tells those who watch a job to look again.
local function changed(id)
  local note = redis.call("HGET", marks, "w" .. id)
  if note then
    redis.call("HDEL", marks, "w" .. id)
    for channel in watchers_in(note) do
      -- A user who may not publish must be able to work all the same.
      redis.pcall("PUBLISH", channel, id)
    end
  end
end

-- The same for several jobs.
local function changed_all(ids)
  if redis.call("EXISTS", marks) == 1 then
    for _, id in ipairs(ids) do
      changed(id)
    end
  end
end
