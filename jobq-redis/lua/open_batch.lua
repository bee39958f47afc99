-- open_batch: open a batch whose home is this queue.
--
-- ARGV[1]  now in ms, or "" for the server's clock
-- ARGV[2]  id
-- ARGV[3]  flags; see `lib/flow/batches`
-- ARGV[4]  retention, parent and name, packed
-- ARGV[5]  callback on success, on failure (ARGV[6]) and on completion (ARGV[7]), packed; "" for none
-- ARGV[8]  the batch that counts it, "" if none does
-- ARGV[9]  the home of that
--
-- Returns  "opened", "known" if it was before, or, of the batch that counts it and is at home here too,
--          "unknown" or "ended"
local now = clock(ARGV[1])
local id, flags, info = ARGV[2], tonumber(ARGV[3]), ARGV[4]
local callbacks = { s = ARGV[5], f = ARGV[6], c = ARGV[7] }
local parent, parents_home = ARGV[8], ARGV[9]

if home.standing_of(id) then
  return "known"
end
if parent ~= "" and parents_home == this_queue then
  local standing = home.standing_of(parent)
  if not standing or standing == "ended" then
    return standing or "unknown"
  end
end
home.open(id, flags, info, callbacks, now)
if parent ~= "" then
  home.tell(parent, parents_home, "N", 1, now, this_queue .. "\0" .. id)
end
keep_states()
return "opened"
