-- close_batch: close a batch whose home is this queue.
--
-- ARGV[1]  now in ms, or "" for the server's clock
-- ARGV[2]  id
--
-- Returns  "closed", "before" if it had been closed, "unknown"
local now = clock(ARGV[1])
begin()
local is_closed = home.close(ARGV[2], now)
keep_states()
if is_closed == nil then
  return "unknown"
end
return is_closed and "closed" or "before"
