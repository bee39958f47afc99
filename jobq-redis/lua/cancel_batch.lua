-- cancel_batch: call off the jobs of a batch that have not started.
--
-- ARGV[1]  now in ms, or "" for the server's clock
-- ARGV[2]  id
--
-- Returns  1 if the batch is known, else 0
local now = clock(ARGV[1])
begin()
local is_known = home.call_off(ARGV[2], now)
keep_states()
return is_known and 1 or 0
