-- Jobs that wait for others: whom they wait for, and how those ended.
--
-- A reference to a job: its id, its queue. How a job ended: "c" completed, "x" cancelled or "d" dead; then
-- "=" and its result, or, if that is long and better kept once for all children, "#" and its digest.
--
-- Fields of the `parents` hash:
--
--   h, id             whom a job waits for: what becomes of it if one of them fails ("f", "s" or "c"), when
--                     it is due after its length (8 bits), how many parents (16), their ids and queues, each
--                     after its length (8)
--   n, id             how many of them have not ended
--   p, id, reference  how one of them ended; "" if it has not
--   e, id, reference  how one ended before the job was there: kept for a day
--   r, digest         a long result
--   k, digest         how often it is referred to
local kin = {}
when_needed(kin, function()
  local parents, expiring = KEYS[45], KEYS[54]
  local SHORT = 64
  local EARLY_KEPT = 24 * 3600 * 1000

  -- Keeps a result as part of an outcome.
  local function keep(letter, result)
    if not result or result == "" then
      return letter
    elseif #result <= SHORT then
      return letter .. "=" .. result
    end
    local digest = redis.sha1hex(result)
    redis.call("HSETNX", parents, "r" .. digest, result)
    redis.call("HINCRBY", parents, "k" .. digest, 1)
    return letter .. "#" .. digest
  end

  local function release(outcome)
    if outcome and string.sub(outcome, 2, 2) == "#" then
      local digest = string.sub(outcome, 3)
      if redis.call("HINCRBY", parents, "k" .. digest, -1) <= 0 then
        redis.call("HDEL", parents, "k" .. digest, "r" .. digest)
      end
    end
  end

  local function result_in(outcome)
    local how = string.sub(outcome, 2, 2)
    if how == "#" then
      return redis.call("HGET", parents, "r" .. string.sub(outcome, 3)) or ""
    end
    return string.sub(outcome, 3)
  end

  -- Whom a header names.
  function kin.references_in(header)
    local references = {}
    local count, at = struct.unpack(">I2", header, 3 + string.byte(header, 2))
    for i = 1, count do
      local length = string.byte(header, at + 16)
      references[i] = string.sub(header, at, at + 15) .. string.sub(header, at + 17, at + 16 + length)
      at = at + 17 + length
    end
    return references
  end

  -- Whom a job waits for or has waited for; nothing if it never did.
  local function references_of(id)
    local header = redis.call("HGET", parents, "h" .. id)
    return header and kin.references_in(header) or nil
  end

  local function outcomes_of(id, references)
    local fields = {}
    for i, reference in ipairs(references) do
      fields[i] = "p" .. id .. reference
    end
    return redis.call("HMGET", parents, unpack(fields)), fields
  end

  -- For each parent that has ended: reference, letter, result.
  function kin.parents_of(id)
    local references, found = references_of(id), {}
    if references then
      for i, outcome in ipairs((outcomes_of(id, references))) do
        if outcome and outcome ~= "" then
          found[#found + 1] = { references[i], string.sub(outcome, 1, 1), result_in(outcome) }
        end
      end
    end
    return found
  end

  -- References to the parents that have not ended.
  function kin.unmet_parents(id)
    local references, found = references_of(id), {}
    if references then
      for i, outcome in ipairs((outcomes_of(id, references))) do
        if outcome == "" then
          found[#found + 1] = references[i]
        end
      end
    end
    return found
  end

  -- Writes down whom a job waits for.
  function kin.note_parents(id, header)
    local references = kin.references_in(header)
    redis.call("HSET", parents, "h" .. id, header, "n" .. id, #references)
    for _, reference in ipairs(references) do
      redis.call("HSET", parents, "p" .. id .. reference, "")
    end
    return references
  end

  -- Writes down how a parent of a job ended. Nothing if it waits for no such one, or was told before;
  -- else for how many more it waits, what becomes of it if one fails, and when it is due.
  function kin.note_outcome(id, reference, letter, result)
    local field = "p" .. id .. reference
    if redis.call("HGET", parents, field) ~= "" then
      return nil
    end
    redis.call("HSET", parents, field, keep(letter, result))
    local header = redis.call("HGET", parents, "h" .. id)
    local unmet = redis.call("HINCRBY", parents, "n" .. id, -1)
    return unmet, string.sub(header, 1, 1), string.sub(header, 3, 2 + string.byte(header, 2))
  end

  -- Keeps for a day how a parent ended of a job that is not there yet: how it ended first, as for one that is there.
  function kin.note_early(id, reference, letter, result, now)
    local field = "e" .. id .. reference
    if redis.call("HEXISTS", parents, field) == 0 then
      redis.call("HSET", parents, field, keep(letter, result))
      redis.call("ZADD", expiring, later(now, EARLY_KEPT), field)
    end
  end

  -- The early outcome for a job that has come: letter and result; nothing if there is none.
  function kin.take_early(id, reference)
    local field = "e" .. id .. reference
    local outcome = redis.call("HGET", parents, field)
    if outcome then
      local letter, result = string.sub(outcome, 1, 1), result_in(outcome)
      kin.forget_early(field)
      return letter, result
    end
  end

  function kin.forget_early(field)
    release(redis.call("HGET", parents, field))
    redis.call("HDEL", parents, field)
    redis.call("ZREM", expiring, field)
  end

  -- Forgets whom jobs waited for.
  function kin.forget_parents(ids)
    for _, id in ipairs(ids) do
      local references = references_of(id)
      if references then
        local outcomes, fields = outcomes_of(id, references)
        for _, outcome in ipairs(outcomes) do
          release(outcome)
        end
        redis.call("HDEL", parents, "h" .. id, "n" .. id, unpack(fields))
      end
    end
  end
end)
