-- stats: how many jobs of a queue are in each state.
--
-- No ARGV.
--
-- Returns  ready, scheduled, leased, completed, cancelled, dead, "1" if paused, the records at the head of
--          each priority that has any, waiting
-- How far a list is searched for its first entry that is not left over.
local SEARCH = 1000

local any_gone = redis.call("EXISTS", gone) == 1

local function head_of(list)
  if not any_gone then
    return redis.call("LINDEX", list, 0)
  end
  for _, entry in ipairs(redis.call("LRANGE", list, 0, SEARCH - 1)) do
    local note = redis.call("HGET", gone, string.sub(entry, 1, 16))
    if not note or string.sub(entry, 17) == string.sub(note, 1, 8) then
      return entry
    end
  end
end

local ready, heads = 0, {}

local function note_head(id)
  local record = record_of(id)
  if record and not is_stand_in(record) then
    heads[#heads + 1] = string.sub(record, 1, 14)
  end
end

for _, level in ipairs(redis.call("ZRANGE", levels, 0, -1)) do
  local list = ready_list(tonumber(level))
  ready = ready + redis.call("LLEN", list)
  local head = head_of(list)
  if head then
    note_head(string.sub(head, 1, 16))
  end
end

-- What only queues with flow control have. The heads of each priority of lanes: of so many, the first by name.
local HEADS = 500
local waits = 0
if redis.call("EXISTS", flow) == 1 then
  local after
  for _ = 1, HEADS do
    local from = after and "(" .. after .. "\255" or "-"
    local member = redis.call("ZRANGEBYLEX", laned, from, "+", "LIMIT", 0, 1)[1]
    if not member then
      break
    end
    note_head(string.sub(member, -16))
    after = string.sub(member, 1, string.find(member, "\0", 1, true) + 1)
  end
  ready = ready + redis.call("ZCARD", laned) + redis.call("ZLEXCOUNT", held_back, "[d", "(e")
  waits = redis.call("ZCARD", waiting)
end

return {
  ready - tonumber(redis.call("HGET", meta, "gone") or "0"),
  redis.call("ZCARD", scheduled),
  redis.call("ZCOUNT", leased, "-inf", "(+inf"),
  redis.call("ZCARD", completed),
  redis.call("ZCARD", cancelled),
  redis.call("ZCARD", dead),
  redis.call("HGET", meta, "paused") or "",
  heads,
  waits,
}
