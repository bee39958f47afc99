-- subscribe: note that jobs of another queue are to be told of the end of jobs of this one: all or none.
--
-- ARGV[1]   the queue of those to be told
-- ARGV[2+]  pairs of ids: of the job that ends, and of the one to be told
--
-- Returns   for each pair "live", or how the job has ended: "c" completed, "x" cancelled or "d" dead,
--           followed by its result. Or one text if the call was refused: "unknown", or "many" children, and
--           the number of the pair.
local queue = ARGV[1]
local FIRST = 2

for i = FIRST, #ARGV, 2 do
  if redis.call("HEXISTS", jobs, ARGV[i]) == 0 then
    return "unknown " .. int(i / 2)
  end
end
redis.call("SET", flow, "1")
local answers = {}
for i = FIRST, #ARGV, 2 do
  local letter, result = kin.await_end(ARGV[i], ARGV[i + 1], queue)
  if letter == "many" then
    return "many " .. int(i / 2)
  end
  answers[#answers + 1] = letter .. (result or "")
end
return answers
