-- holders: who holds a unique key.
--
-- ARGV[1]  now in ms, or "" for the server's clock
-- ARGV[2]  digest
-- ARGV[3]  "everywhere" to look among the keys of all queues too, which on a cluster are elsewhere; else ""
--
-- Returns  the id of the job of this queue that waits with it, or "", and of the one that runs with it, or
--          ""; the id and queue of the job that holds it among all queues, or ""
local now = clock(ARGV[1])
local here = holder_of(unique, ARGV[2], now)
local id, queue, _
if ARGV[3] == "everywhere" then
  id, _, _, queue = holder_of(unique_everywhere, ARGV[2], now)
end
return { here or "", redis.call("HGET", running, ARGV[2]) or "", id and id .. queue or "" }
