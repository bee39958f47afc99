-- The keys of a queue, all in one slot. Every script declares all of them, in this order, so that there
-- is one order to know.
--
-- KEYS[1]      jobs       hash  id -> record: a fixed header, then the payload; never changes
-- KEYS[2]      levels     zset  priorities whose ready list may hold something
-- KEYS[3]      scheduled  zset  15 - priority (8 bits) + id, by due time
-- KEYS[4]      leased     zset  token + id + worker (8 + 16 + 8 bytes), by expiry; and the sentinel
-- KEYS[5]      facts      hash  id -> failed attempts, crashes, failures; absent while all went well
-- KEYS[6]      reports    hash  id -> progress and log of the newest attempt
-- KEYS[7]      results    hash  id -> what the handler returned; the checkpoint of a job that has not ended
--                               or is dead
-- KEYS[8]      unique     hash  digest -> id of the live job that holds it; more may follow, see flow/unique
-- KEYS[9]      marks      hash  id -> "1" for leased jobs that somebody wants cancelled; "w" and an id ->
--                               who watches the job, see watchers
-- KEYS[10]     gone       hash  id -> note on a job that was withdrawn from a ready list: the
--                               generation (8 bytes) its next entry has, how many entries are left over
-- KEYS[11]     completed  zset  id, by the time it is to be deleted
-- KEYS[12]     cancelled  zset  id, by the time it is to be deleted
-- KEYS[13]     dead       zset  id, by the time it died
-- KEYS[14]     meta       hash  token: the last one; paused; gone: how many entries are left over in
--                               all; generation: the last one
-- KEYS[15]     wake       list  at most one token: something may be there to lease
-- KEYS[16-31]  ready      list  entries, one list for each priority from 0 to 15: ids, followed by a
--                               generation if the job had been withdrawn and came back
-- KEYS[32]     flow       text  there if the queue has lanes, limits, batches or the like: see flow/keys
local jobs, levels, scheduled, leased = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local facts, reports, results, unique = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local marks, gone, completed, cancelled = KEYS[9], KEYS[10], KEYS[11], KEYS[12]
local dead, meta, wake = KEYS[13], KEYS[14], KEYS[15]

local function ready_list(level)
  return KEYS[16 + level]
end
local flow = KEYS[32]
