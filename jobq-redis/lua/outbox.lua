-- outbox: the oldest notes that wait to be delivered from this queue.
--
-- ARGV[1]  the most notes
-- ARGV[2]  the most bytes, give or take one note
--
-- Returns  the notes; see `lib/flow/outbox`
local limit, bytes_left = tonumber(ARGV[1]), tonumber(ARGV[2])
local notes = {}
local PIECE = 10
repeat
  local piece = redis.call("ZRANGE", KEYS[52], #notes, math.min(#notes + PIECE, limit) - 1)
  for _, note in ipairs(piece) do
    if bytes_left > 0 then
      notes[#notes + 1] = note
      bytes_left = bytes_left - #note
    end
  end
until #piece < PIECE or #notes >= limit or bytes_left <= 0
return notes
