end

-- The mark comes last: were it first, a job that is refused would be lost. A server that ends the script in
-- between has enqueued the job under the id that it has for everybody, which is not added again.
local answer
if job ~= "" then
  answer = enqueue()
end
if answer == "flow" then
  return answer
elseif type(answer) == "string" then
  return { "refused", answer }
end
local what = answer and answer[1] or ""
local other = #what == 16 and what or string.sub(what, 1, 1) == "d" and string.sub(what, 2, 17)
if job == "" then
  mark.outcome = "l"
elseif other and other ~= job then
  mark.outcome = "d"
else
  mark.outcome = "e"
  live = live .. job
end
mark.jobs = string.sub(live, -16 * MOST_JOBS)
mark.revision = math.max(mark.revision, revision)
mark.last = tick or mark.last
mark.acted_at = at
write_mark(ticks, schedule, mark)
return { "claimed", what, answer and answer[2] or "0" }
