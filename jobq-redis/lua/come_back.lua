-- come_back: let lanes that were held up show whether they still are, and wake an idle worker: a limit for
-- all was changed.
--
-- ARGV[1]  the most lanes: 1000 at most
--
-- Returns  how many came back
begin()
local found = redis.call("ZRANGE", held_up, 0, tonumber(ARGV[1]) - 1)
for _, lane in ipairs(found) do
  come_back(lane)
end
keep_states()
wake_one()
return #found
