-- heartbeat: note that a worker lives.
--
-- KEYS[1]   alive    zset  worker ids, by the time they are forgotten
-- KEYS[2]   workers  hash  worker id -> status
-- KEYS[3]   queues   set   the names of all queues
-- KEYS[4]   restart  string  how often a restart was asked for
-- ARGV[1]   now in ms, or "" for the server's clock
-- ARGV[2]   ttl in ms
-- ARGV[3]   worker id
-- ARGV[4]   status
-- ARGV[5+]  the queues it leases from
--
-- Returns   how often a restart was asked for
local unpack = unpack or table.unpack
local alive, workers, queues, restart = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local given_now, ttl, id, status = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local FORGET_AT_ONCE = 100

local now = tonumber(given_now)
if not now then
  local time = redis.call("TIME")
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
-- A write that takes no memory first: a full server must not make its workers look dead.
local silent = redis.call("ZRANGEBYSCORE", alive, "-inf", string.format("%.0f", now), "LIMIT", 0, FORGET_AT_ONCE)
redis.call("HDEL", workers, "", unpack(silent))
if #silent > 0 then
  redis.call("ZREM", alive, unpack(silent))
end
redis.call("ZADD", alive, string.format("%.0f", now + ttl), id)
redis.call("HSET", workers, id, status)
if #ARGV > 4 then
  redis.call("SADD", queues, unpack(ARGV, 5))
end
return redis.call("GET", restart) or "0"
