-- extend: make leases last their full duration again.
--
-- ARGV[1]   now in ms, or "" for the server's clock
-- ARGV[2]   how long the leases last from now, in ms
-- ARGV[3+]  members of the leased set
--
-- Returns   for each lease "y" (extended), "c" (extended; somebody wants the job cancelled) or
--           "l" (lost), as one text
local now = clock(ARGV[1])
local expires_at = later(now, tonumber(ARGV[2]))
local answers = {}

begin()
local any_marks = redis.call("EXISTS", marks) == 1
for i = 3, #ARGV do
  local member = ARGV[i]
  if not redis.call("ZSCORE", leased, member) then
    answers[#answers + 1] = "l"
  else
    redis.call("ZADD", leased, "XX", expires_at, member)
    local marked = any_marks and redis.call("HEXISTS", marks, id_of(member)) == 1
    answers[#answers + 1] = marked and "c" or "y"
  end
end
return table.concat(answers)
