-- checkpoint: keep where a leased job has got to.
--
-- ARGV[1]  the lease: a member of the leased set
-- ARGV[2]  the cursor; "" takes away the one before
--
-- Returns  1 kept, 0 the lease had been lost
if not redis.call("ZSCORE", leased, ARGV[1]) then
  return 0
end
if ARGV[2] == "" then
  redis.call("HDEL", results, id_of(ARGV[1]))
else
  redis.call("HSET", results, id_of(ARGV[1]), ARGV[2])
end
return 1
