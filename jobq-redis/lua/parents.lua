-- parents: how those ended that a job waits or has waited for.
--
-- ARGV[1]  id
--
-- Returns  for each that has: its id followed by its queue, "c" completed, "x" cancelled or "d" dead, and
--          its result
return kin.parents_of(ARGV[1])
