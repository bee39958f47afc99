-- report: keep what a leased job says of itself.
--
-- ARGV[1]  the lease: a member of the leased set
-- ARGV[2]  the report
--
-- Returns  1 kept, 0 the lease had been lost
if not redis.call("ZSCORE", leased, ARGV[1]) then
  return 0
end
redis.call("HSET", reports, id_of(ARGV[1]), ARGV[2])
changed(id_of(ARGV[1]))
return 1
