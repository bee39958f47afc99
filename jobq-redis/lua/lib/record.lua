-- Records as scripts may rely on them.
--
-- An operator's slip, a newer version or a broken disk may have put anything where a record should be. What
-- cannot be taken apart has a bare header in its place: no flags, one crash allowed. So its job is moved, put
-- aside and deleted as any other, and the queue goes on.

-- Whether a record has all that its header promises, up to its kind.
local function is_whole(record)
  local format, flags, level = string.byte(record, 1, 3)
  if #record < 16 or format ~= 1 or level > 15 then
    return false
  end
  local at = 15
  if flags > 0 then
    at = at + (has(record, 1) and 16 or 0) + (has(record, 2) and 4 or 0) + (has(record, 4) and 4 or 0)
    -- A way to hold a key needs a key.
    if has(record, 16) and not has(record, 1) then
      return false
    end
    at = at + (has(record, 16) and 10 or 0) + (has(record, 32) and 2 or 0)
    if has(record, 64) then
      local lane = string.sub(record, at + 1, at + (string.byte(record, at) or 0))
      if not string.find(lane, "^[!-~]+$") then
        return false
      end
      at = at + 1 + string.byte(record, at)
    end
    if has(record, 128) then
      at = at + 16
      local home = string.sub(record, at + 1, at + (string.byte(record, at) or 0))
      if #home > 100 or not string.find(home, "^%w[%w._-]*$") then
        return false
      end
      at = at + 1 + string.byte(record, at)
    end
  end
  local length = string.byte(record, at)
  return length ~= nil and at + length <= #record
end

-- A record, or what stands in for it. The first byte stays: it says who may have written it.
local function readable(record)
  if is_whole(record) then
    return record
  end
  return string.char(string.byte(record) or 0) .. "\0\0\1\0\1" .. string.rep("\0", 8)
end

-- No record is as short: its kind follows the header.
local function is_stand_in(record)
  return #record == 14
end

-- The record of a job; nothing if there is no such job.
local function record_of(id)
  local record = redis.call("HGET", jobs, id)
  return record and readable(record)
end

-- The fields of a hash whose values begin with an id: what its record would tell, were it readable. Of a hash of
-- more than 100,000 fields none: to look at all would keep the server for too long.
-- A hash is read once for all of a call: what is found may have changed since, and is looked at again before
-- anything is taken away.
local fields_of
do
  local fields_by_id = {}

  function fields_of(hash, id)
    local by_id = fields_by_id[hash]
    if not by_id then
      by_id = {}
      fields_by_id[hash] = by_id
      -- In a cluster a hash of all queues is elsewhere.
      local size = redis.pcall("HLEN", hash)
      if type(size) == "number" and size <= 100000 then
        local all = redis.call("HGETALL", hash)
        for i = 1, #all, 2 do
          local holder = string.sub(all[i + 1], 1, 16)
          by_id[holder] = by_id[holder] or {}
          table.insert(by_id[holder], all[i])
        end
      end
    end
    return by_id[id] or {}
  end
end
