-- For a read that found no string or number: empty for a missing key, and for a value of another type, which is foreign
-- and is replaced by the next admission. Raising instead would let one such key stop every decision.
local function empty_or_error(reply)
  if reply and not string.find(reply.err, 'WRONGTYPE', 1, true) then error(reply.err) end
  return ''
end
-- For conditional.lua: the values of all keys as read by one command, which of them were written since, and the ten
-- characters of all levels (decide.lua) in one text.
local values, written, headers
local function read(i)
  if values and not written[KEYS[i]] then return values[i] end
  return redis.pcall('GET', KEYS[i])
end
