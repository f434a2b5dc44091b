-- Requests at one time: the judge of policy.ts. A sorted set: lease id by the microsecond it ends by itself. What has
-- ended is not counted; the next lease that is given removes it, so that a refusal writes nothing.
local function judge_lease(key, now, limit, lease)
  -- Not tostring(): it would round to 14 digits.
  local after = string.format('(%.0f', now)
  local held = redis.pcall('ZCOUNT', key, after, '+inf')
  if type(held) ~= 'number' then held = #nothing(held) end
  local ok = held < limit
  local reset = lease
  if held > 0 and limit > 0 then
    -- Admitted: when the first ends. Refused: when enough have.
    local from = ok and 0 or held - limit
    local found = redis.call('ZRANGEBYSCORE', key, after, '+inf', 'WITHSCORES', 'LIMIT', from, 1)
    local ends = tonumber(found[2]) - now
    if not ok or ends < lease then reset = ends end
  end
  local free = limit - held
  return ok, ok and free - 1 or 0, reset
end

local function write_lease(key, now, lease, id)
  if redis.call('TYPE', key).ok ~= 'zset' then redis.call('DEL', key) end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  redis.call('ZADD', key, now + lease, id)
  local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]
  redis.call('PEXPIREAT', key, math.floor(last / 1000) + 2)
end
