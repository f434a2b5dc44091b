-- Token buckets of one subject, on Redis' own clock: admitted when each has the units of the request. They start
-- full, so a window may admit twice the capacity: what was saved and what is refilled meanwhile.
-- KEYS[1]: hash, `at` and the tokens of each bucket. ARGV: weight, then capacity and refill time (us) of each bucket.
-- Returns {now, admitted}, then per bucket ok, whole tokens left, microseconds until it has enough (refused) or gains
-- the next whole one.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local weight = tonumber(ARGV[1])
local count = (#ARGV - 1) / 2

local saved = redis.call('HGETALL', KEYS[1])
local fields = {}
for i = 1, #saved, 2 do fields[saved[i]] = tonumber(saved[i + 1]) end
if fields.at and fields.at > now then now = fields.at end

local admitted, tokens, ttl = 1, {}, 0
for i = 1, count do
  local capacity, refill = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local gained = (now - (fields.at or now)) * capacity / refill
  tokens[i] = math.min(capacity, (fields[tostring(i)] or capacity) + gained)
  if tokens[i] < weight then admitted = 0 end
  ttl = math.max(ttl, refill)
end

local reply = { now, admitted }
for i = 1, count do
  local each = tonumber(ARGV[2 * i + 1]) / tonumber(ARGV[2 * i])
  local ok = tokens[i] >= weight
  if admitted == 1 then tokens[i] = tokens[i] - weight end
  local target = ok and math.floor(tokens[i]) + 1 or weight
  reply[3 * i], reply[3 * i + 1] = ok and 1 or 0, math.floor(tokens[i])
  reply[3 * i + 2] = math.ceil((target - tokens[i]) * each)
end
if admitted == 1 then
  redis.call('HSET', KEYS[1], 'at', now)
  for i = 1, count do redis.call('HSET', KEYS[1], tostring(i), tokens[i]) end
  -- By then it is full again, as a new bucket is.
  redis.call('PEXPIRE', KEYS[1], math.ceil(ttl / 1000) + 1)
end
return reply
