-- How fast a queue is leased from. The maintenance notes the token (which counts leases) from time to time:
-- the last two notes are in `meta`, t0 and n0 the older, t1 and n1 the newer.
local BETWEEN_NOTES = 10000

local function note_pace(now)
  local known = redis.call("HMGET", meta, "t1", "n1", "token")
  local at, count, token = tonumber(known[1] or "0"), known[2], known[3]
  if token and math.abs(now - at) >= BETWEEN_NOTES then
    if count then
      redis.call("HSET", meta, "t0", int(at), "n0", count)
    end
    redis.call("HSET", meta, "t1", int(now), "n1", token)
  end
end

-- Leases per 1000 s since the older note; "" while there is none.
local function lease_rate(now)
  local known = redis.call("HMGET", meta, "t0", "n0", "token")
  local at, count, token = tonumber(known[1] or ""), tonumber(known[2] or ""), tonumber(known[3] or "")
  if not at or not count or not token or now <= at then
    return ""
  end
  return int((token - count) * 1000 * 1000 / (now - at))
end
