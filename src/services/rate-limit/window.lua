-- The exact sliding window of policy.ts in one atomic step, on Redis' own clock.
-- KEYS[1]: list of admission times in the window, microseconds, newest first. ARGV: limit, window in ms.
-- Returns {admitted 0|1, remaining, microseconds until the oldest admission leaves}.
local key, limit, window_ms = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local window = window_ms * 1000
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local count = redis.call('LLEN', key)
local oldest = now
if count > 0 then
  local newest = tonumber(redis.call('LINDEX', key, 0))
  if newest > now then now = newest end
  oldest = tonumber(redis.call('LINDEX', key, -1))
  while count > 0 and now - oldest >= window do
    redis.call('RPOP', key)
    count = count - 1
    oldest = count > 0 and tonumber(redis.call('LINDEX', key, -1)) or now
  end
  if count >= limit then return { 0, limit - count, oldest + window - now } end
end

-- Not tostring(): it would round to 14 digits.
redis.call('LPUSH', key, string.format('%.0f', now))
-- One millisecond more than the window, so that the key never goes before its last admission.
redis.call('PEXPIRE', key, window_ms + 1)
return { 1, limit - count - 1, oldest + window - now }
