-- deliver: read notes of a queue, those that were read before left out.
--
-- ARGV[1]   now in ms, or "" for the server's clock
-- ARGV[2]   the queue that wrote them
-- ARGV[3+]  for each note: its number, and what it says from its kind on; see `lib/flow/outbox`
--
-- Returns   "1" if there are notes to deliver from here now, else "0"
--
-- Callbacks are read by `enqueue_flow`.
clock(ARGV[1])
local sender = ARGV[2]
local read_before = tonumber(redis.call("HGET", KEYS[53], sender) or "0")

local read = {}

function read.p(what, at)
  local letter, parent, count = string.sub(what, 1, 1), string.sub(what, 2, 17), struct.unpack(">I2", what, 18)
  local result = string.sub(what, 20 + 16 * count)
  for i = 1, count do
    kin.tell_child(string.sub(what, 4 + 16 * i, 19 + 16 * i), parent .. sender, letter, result, at)
  end
end

function read.m(what, at)
  local id, change, count = string.sub(what, 1, 16), string.sub(what, 17, 17), struct.unpack(">I4", what, 18)
  home.count(id, change, count, at, string.sub(what, 22))
end

function read.o(what)
  redis.call("HSET", KEYS[51], what, "1")
end

function read.u(what, at)
  home.call_off(what, at)
end

function read.n(what, at)
  home.tell_of_called_off(string.sub(what, 1, 16), string.sub(what, 17), at)
end

function read.f(what)
  redis.call("HDEL", KEYS[51], what)
end

begin()
for i = 3, #ARGV, 2 do
  local number, note = ARGV[i], ARGV[i + 1]
  if tonumber(number) > read_before then
    read[string.sub(note, 1, 1)](string.sub(note, 8), (struct.unpack(">I6", note, 2)))
    redis.call("HSET", KEYS[53], sender, number)
  end
end
keep_states()
return has_notes() and "1" or "0"
