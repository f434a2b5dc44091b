-- Requests at one time: evaluateConcurrency of policy.ts. A sorted set: slot id by the microsecond it expires. Expired
-- slots are not counted; the next admission removes them, so that a refusal writes nothing.
local function evaluate_concurrency(key, now, limit, ttl)
  -- Not tostring(): it would round to 14 digits.
  local after = string.format('(%.0f', now)
  local held = redis.pcall('ZCOUNT', key, after, '+inf')
  if type(held) ~= 'number' then held = #empty_or_error(held) end
  local ok = held < limit
  local reset = ttl
  if held > 0 and limit > 0 then
    -- Admitted: when the first expires. Refused: when enough have.
    local from = ok and 0 or held - limit
    local found = redis.call('ZRANGEBYSCORE', key, after, '+inf', 'WITHSCORES', 'LIMIT', from, 1)
    local ends = tonumber(found[2]) - now
    if not ok or ends < ttl then reset = ends end
  end
  local free = limit - held
  return ok, ok and free - 1 or 0, reset
end

local function write_slot(key, now, ttl, id)
  if redis.call('TYPE', key).ok ~= 'zset' then redis.call('DEL', key) end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  redis.call('ZADD', key, now + ttl, id)
  local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]
  redis.call('PEXPIREAT', key, math.floor(last / 1000) + 2)
end
