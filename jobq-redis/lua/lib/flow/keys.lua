-- The keys of a queue with lanes, limits, batches and the like, declared after those of every queue.
--
-- KEYS[33]  lanes      hash  lane -> its state, see flow/lanes; "" are the jobs without a lane, "\0" is
--                            the queue
-- KEYS[34]  order      zset  lanes whose turn may come, by level and tag
-- KEYS[35]  held_up    zset  lanes over a limit, by when they may come back; infinite if that is no
--                            matter of time
-- KEYS[36]  laned      zset  ready jobs of lanes: lane, 0, 15 - priority, position, cost, id; by name
-- KEYS[37]  slots      zset  leased jobs of lanes: lane, 0, member of the leased set; by name
-- KEYS[38]  starts     zset  what sliding rates count: lane, 0, instant, sum of costs so far; by name
-- KEYS[39]  limits     hash  source and scope -> limits, see flow/limits; "p" and lane -> "1" if paused
-- KEYS[40]  held_back  zset  ready jobs whose key a running job holds: "d", digest, position, id; and "l",
--                            lane, 0, id; by name
-- KEYS[41]  running    hash  digest -> id of the running job that holds it; "n" and a digest -> id of the job that
--                            was let go for it last, while that may be leased next and others are held back
-- KEYS[42]  places     hash  id -> the member of `laned` or `held_back` that stands for a ready job
-- KEYS[43]  idle       zset  "l" and a lane with nothing ready, "k" and the digest of a throttled key: by
--                            when to look whether to forget it
-- KEYS[44]  waiting    zset  jobs that wait for others to end, by when they were enqueued
-- KEYS[45]  parents    hash  whom these jobs wait for, and how those ended: see flow/parents
-- KEYS[46]  children   hash  id -> who is to be told of its end: see flow/children
-- KEYS[47]  batches    hash  id -> the counts of a batch that is at home here: see flow/batches
-- KEYS[48]  about      hash  what else is known of it: see flow/batches
-- KEYS[49]  opened     zset  batches that are at home here, by when they were opened
-- KEYS[50]  parts      zset  dead jobs of these ("d", batch, queue, 0, id) and batches that they count ("n",
--                            batch, queue, 0, id); by name
-- KEYS[51]  called_off hash  batch -> "1" if its jobs are not to be leased any more
-- KEYS[52]  outbox     zset  notes to queues that have not been delivered: see flow/outbox
-- KEYS[53]  inbox      hash  queue -> the number of its last note that was read here
-- KEYS[54]  until      zset  what is to be forgotten at a time: "b" and a batch, "e" and an early outcome
-- KEYS[55]  named      zset  lanes with limits of their own or paused; by name
local lanes, order, held_up, laned, slots = KEYS[33], KEYS[34], KEYS[35], KEYS[36], KEYS[37]
local starts, limits, held_back, running, places_in = KEYS[38], KEYS[39], KEYS[40], KEYS[41], KEYS[42]
local idle = KEYS[43]
-- The others are named where they are used: Lua allows 200 names at a time.
local waiting = KEYS[44]
local named = KEYS[55]
