-- A single window, the commonest request: the decision of decide.lua while nothing has expired, without functions,
-- because Lua creates a script's functions again in every call. Everything else is left to the scripts that follow.
known = redis.pcall('GET', KEYS[1])
local size = type(known) == 'string' and #known or 0
if size > 0 and size % 7 == 0 then
  local kind, l1, l0, w1, w0, s4, s3, s2, s1, s0 = string.byte(ARGV[1], 1, 10)
  local window = ((((s4 * 128 + s3) * 128 + s2) * 128 + s1) * 128 + s0) * 1000
  local free = l1 * 128 + l0 - size / 7
  local newest = struct.unpack('>I7', known, size - 6)
  local reset = struct.unpack('>I7', known) + window - clock
  if reset > 0 and newest <= clock and free >= 0 and w1 == 0 and w0 == 1 then
    if free == 0 then return { clock, -1, reset } end
    -- Short enough to append to, and its expiry is set: see write_window.
    if size < 600 and newest >= clock - clock % (window / 4) then
      redis.call('APPEND', KEYS[1], struct.pack('>I7', clock))
      return { clock, free - 1, reset }
    end
  end
end
