-- heartbeat: note that a worker lives.
--
-- KEYS[1]   workers  hash    worker id -> when it is forgotten, in ms; a space; its status
-- KEYS[2]   queues   set     the names of all queues
-- KEYS[3]   restart  string  how often a restart was asked for
-- ARGV[1]   now in ms, by the worker's estimate of the server's clock: nothing hangs on it but a list
-- ARGV[2]   ttl in ms
-- ARGV[3]   worker id
-- ARGV[4]   status
-- ARGV[5]   "1" to sweep as well: forget silent workers, and note the queues
-- ARGV[6+]  the queues it leases from
--
-- Returns   how often a restart was asked for
--
-- Sweeping takes time in proportion to the workers that were started since the last time.
local unpack = unpack or table.unpack
local workers, queues, restart = KEYS[1], KEYS[2], KEYS[3]
local now, ttl, id, status, sweep = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local FIRST_QUEUE = 6

-- A write that takes no memory first: a full server must not make its workers look dead.
redis.call("HDEL", workers, "")
if sweep == "1" then
  local all = redis.call("HGETALL", workers)
  for i = 1, #all, 2 do
    if tonumber(string.match(all[i + 1], "^%d+")) <= now then
      redis.call("HDEL", workers, all[i])
    end
  end
  if #ARGV >= FIRST_QUEUE then
    redis.call("SADD", queues, unpack(ARGV, FIRST_QUEUE))
  end
end
redis.call("HSET", workers, id, string.format("%.0f", now + ttl) .. " " .. status)
return redis.call("GET", restart) or "0"
