-- What the header of a record says of flow control; `record.rs` is its other side.

-- Where the parts begin that come after those which every queue's scripts know.
local function flow_part_of(record)
  local at = 15
  at = at + (has(record, 1) and 16 or 0)
  at = at + (has(record, 2) and 4 or 0)
  return at + (has(record, 4) and 4 or 0)
end

local UNTIL_FINISHED, UNTIL_STARTED, WHILE_RUNNING = 0, 1, 2
local THROTTLE, DEBOUNCE, LATEST_WINS = 3, 4, 5

-- How a unique key is held: its mode, whether among all queues, and two times in ms.
local function mode_of(record)
  if not has(record, 16) then
    return UNTIL_FINISHED, false, 0, 0
  end
  local mode, everywhere, first, second = struct.unpack(">I1I1I4I4", record, flow_part_of(record))
  return mode, everywhere == 1, first, second
end

-- When a job was enqueued.
local function enqueued_at(record)
  return (struct.unpack(">I6", record, 9))
end

local function cost_at(record)
  return flow_part_of(record) + (has(record, 16) and 10 or 0)
end

local function cost_of(record)
  return has(record, 32) and struct.unpack(">I2", record, cost_at(record)) or 1
end

-- Where the lane is depends on nothing but the flags, of which a call sees few different ones.
local lane_offsets = {}
local function lane_at(record)
  local flags = string.byte(record, 2)
  local at = lane_offsets[flags]
  if not at then
    at = cost_at(record) + (has(record, 32) and 2 or 0)
    lane_offsets[flags] = at
  end
  return at
end

-- The lane of a job; "" if it has none.
local function lane_of(record)
  if not has(record, 64) then
    return ""
  end
  local at = lane_at(record)
  return string.sub(record, at + 1, at + string.byte(record, at))
end

-- Whether a job has neither a cost, nor a lane, nor a batch, and starts without regard to its key.
local function is_plain_record(record)
  return string.byte(record, 2) < 16
end

-- The batch that counts a job, and its home; nothing if none does.
local function batch_of(record)
  if not has(record, 128) then
    return nil
  end
  local at = lane_at(record)
  if has(record, 64) then
    at = at + 1 + string.byte(record, at)
  end
  local home = string.sub(record, at + 17, at + 16 + string.byte(record, at + 16))
  return string.sub(record, at, at + 15), home
end
