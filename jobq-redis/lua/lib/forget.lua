-- Takes away what hangs on jobs besides their records.
local function forget(ids)
  if redis.call("EXISTS", facts, reports, marks, results) > 0 then
    changed_all(ids)
    redis.call("HDEL", facts, unpack(ids))
    redis.call("HDEL", reports, unpack(ids))
    redis.call("HDEL", marks, unpack(ids))
    redis.call("HDEL", results, unpack(ids))
  end
end
