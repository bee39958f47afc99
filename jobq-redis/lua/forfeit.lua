-- forfeit: give back the leases of a worker that it does not know of.
--
-- ARGV[1]   now in ms, or "" for the server's clock
-- ARGV[2]   worker: 8 bytes
-- ARGV[3+]  the leases it does know of: members of the leased set
--
-- Returns   how many were given back
--
-- Looks at all leases of the queue, whose number is that of the jobs running right now.
local now = clock(ARGV[1])
local worker = ARGV[2]
local STEP = 1000

local keep = {}
for i = 3, #ARGV do
  keep[ARGV[i]] = true
end

local forfeited = {}
local start = 0
repeat
  local members = redis.call("ZRANGE", leased, start, start + STEP - 1)
  for _, member in ipairs(members) do
    if worker_of(member) == worker and #member == 32 and not keep[member] then
      forfeited[#forfeited + 1] = member
    end
  end
  start = start + STEP
until #members < STEP

-- The job that was leased first ends up in front again.
table.sort(forfeited, function(a, b)
  return struct.unpack(">I8", a) < struct.unpack(">I8", b)
end)

begin()
for i = #forfeited, 1, -1 do
  local id = id_of(forfeited[i])
  local record = record_of(id)
  if record then
    give_back(id, record, now)
    lease_ended(id, record, forfeited[i], now)
  end
  redis.call("ZREM", leased, forfeited[i])
end
keep_states()
if #forfeited > 0 then
  wake_one()
end
return #forfeited
