-- What every script needs: portability, time, and headers of records.
--
-- A full server (maxmemory, noeviction) refuses a script's first write if it could take memory, and
-- none after that. Enqueueing starts with such a write, and is refused whole. All other scripts that
-- move jobs start with a write that never takes memory, `begin()` if they have no other, so that a full
-- server can still be drained. On servers that check each write, additions come before removals: what
-- is refused half-way leaves the job where it was.
local unpack = unpack or table.unpack

local function begin()
  redis.call("HDEL", KEYS[9], "")
end

-- A number as an integer's text. Lua would write large ones as 1.7e+12.
local function int(number)
  return string.format("%.0f", number)
end

-- The time of this call, once `clock` was asked for it.
local present

-- Milliseconds since the epoch: as given, or the server's.
local function clock(given)
  if given ~= "" then
    present = tonumber(given)
  else
    local time = redis.call("TIME")
    present = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  end
  return present
end

-- Instants beyond this one, some 285,000 years on, are this one: numbers above it are not exact.
local LAST_INSTANT = 2 ^ 53

-- The instant so many ms after another, as text.
local function later(now, ms)
  return int(math.min(now + ms, LAST_INSTANT))
end

-- The header of a record; `record.rs` is its other side.
local function level_of(record)
  return string.byte(record, 3)
end

-- A member of the scheduled set. Of jobs due together, those of higher priority come first.
local function scheduled_member(record, id)
  return string.char(15 - level_of(record)) .. id
end

local function max_crashes_of(record)
  return string.byte(record, 4)
end

local function has(record, flag)
  return math.floor(string.byte(record, 2) / flag) % 2 == 1
end

local function digest_of(record)
  if has(record, 1) then
    return string.sub(record, 15, 30)
  end
end

-- In ms; 0 for a job that leaves nothing behind.
local function retention_of(record)
  if not has(record, 2) then
    return 0
  end
  return struct.unpack(">I4", record, has(record, 1) and 31 or 15) * 1000
end

-- A member of the leased set.
local function id_of(member)
  return string.sub(member, 9, 24)
end

local function worker_of(member)
  return string.sub(member, 25, 32)
end

-- Functions of a table that are made when one of them is first asked for: making them takes longer than most
-- calls, which do without. What is made for a table in several files is made together.
local function when_needed(made, make)
  local plan = getmetatable(made)
  if not plan then
    plan = { makers = {} }
    function plan.__index(_, name)
      setmetatable(made, nil)
      for _, maker in ipairs(plan.makers) do
        maker()
      end
      return made[name]
    end
    setmetatable(made, plan)
  end
  table.insert(plan.makers, make)
end
