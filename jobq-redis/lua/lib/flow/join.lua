-- How a job that is added joins its family: its batch, those it waits for, and those that wait for it.
--
-- A family, as `parents.rs` packs it: whether its batch was called off (8 bits); whom it waits for, as
-- flow/parents has it, after its length (32, 0 if for nobody); for each of these, in the same order, "k" if
-- it is in this queue, "s" if it is in another and will tell, "t" if it is to come, or how it has ended: "c"
-- completed, followed by its result after its length (32), "x" cancelled or "d" dead; how many wait for it
-- (16), and for each its id, and its queue after its length (8).
local NO_FAMILY = { parents = {}, children = {} }

local function family_in(packed)
  if packed == "" then
    return NO_FAMILY
  end
  local family = { parents = {}, children = {} }
  local is_called_off, length, at = struct.unpack(">I1I4", packed)
  family.is_called_off = is_called_off == 1
  if length > 0 then
    family.header = string.sub(packed, at, at + length - 1)
    at = at + length
    for i, reference in ipairs(kin.references_in(family.header)) do
      local parent = { reference = reference, letter = string.sub(packed, at, at) }
      at = at + 1
      if parent.letter == "c" then
        length = struct.unpack(">I4", packed, at)
        parent.result = string.sub(packed, at + 4, at + 3 + length)
        at = at + 4 + length
      end
      family.parents[i] = parent
    end
  end
  local count = struct.unpack(">I2", packed, at)
  at = at + 2
  for i = 1, count do
    length = string.byte(packed, at + 16)
    local queue = string.sub(packed, at + 17, at + 16 + length)
    family.children[i] = { id = string.sub(packed, at, at + 15), queue = queue }
    at = at + 17 + length
  end
  return family
end

local new_children, standings = {}, {}

-- Whether another job may stand for a job of the same call.
local function may_be_duplicate(record)
  return digest_of(record) and mode_of(record) ~= WHILE_RUNNING
end

-- What is wrong with the family of a job, and with which of its parents; nothing if all is well. Jobs of the
-- same call that come before it are known, unless they may turn out to be others.
local function family_fault(id, record, family, new_ids)
  local batch, queue = batch_of(record)
  if batch and queue == this_queue then
    standings[batch] = standings[batch] or home.standing_of(batch) or "unknown"
    if standings[batch] == "unknown" then
      return "no batch"
    elseif standings[batch] == "ended" then
      return "ended"
    end
  end
  for n, parent in ipairs(family.parents) do
    local parent_id = string.sub(parent.reference, 1, 16)
    if parent.letter == "k" then
      local new = new_ids[parent_id]
      if (not new or may_be_duplicate(new)) and redis.call("HEXISTS", jobs, parent_id) == 0 then
        return "no parent", n
      end
      new_children[parent_id] = (new_children[parent_id] or kin.count_children(parent_id)) + 1
      if new_children[parent_id] > kin.MAX_CHILDREN then
        return "many children", n
      end
    end
  end
end

-- Counts the jobs that are about to be added, before any of them can end.
local function count_members_of(plans, job, now)
  local counts, queues, total = {}, {}, 0
  for n, what in ipairs(plans) do
    local record, family = job(n)
    local batch, queue = batch_of(record)
    if batch and not what.other then
      counts[batch] = (counts[batch] or 0) + 1
      queues[batch] = queue
      total = total + 1
      if family.is_called_off then
        redis.call("HSET", KEYS[51], batch, "1")
      end
    end
  end
  if total > 0 then
    count_members(total)
  end
  for batch, count in pairs(counts) do
    home.tell(batch, queues[batch], "+", count, now, this_queue)
  end
end

-- Those that wait for a job are told of its end, or at once if it has ended.
local function adopt(id, children, now)
  for _, child in ipairs(children) do
    local letter, result = kin.await_end(id, child.id, child.queue)
    if letter and letter ~= "live" and letter ~= "many" then
      kin.tell_one(child.queue, child.id, id, letter, result, now)
    end
  end
end

-- A job that has been written down waits for others, or goes on if all of them have ended.
local function wait_for_parents(id, family, now)
  redis.call("ZADD", waiting, int(now), id)
  kin.note_parents(id, family.header)
  for _, parent in ipairs(family.parents) do
    local letter, result = parent.letter, parent.result
    if letter == "k" then
      letter, result = kin.await_end(string.sub(parent.reference, 1, 16), id, this_queue)
    end
    if letter == "c" or letter == "x" or letter == "d" then
      kin.tell_child(id, parent.reference, letter, result, now)
    end
  end
  for _, parent in ipairs(family.parents) do
    local letter, result = kin.take_early(id, parent.reference)
    if letter then
      kin.tell_child(id, parent.reference, letter, result, now)
    end
  end
  changed(id)
end
