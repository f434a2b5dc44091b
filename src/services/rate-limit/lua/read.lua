-- What a read that found no string or number means. Nothing there is nothing. So is a value of another type, which is
-- none of ours: the next admitted request replaces it. Raising instead would let one such key stop every decision.
local function nothing(reply)
  if reply and not string.find(reply.err, 'WRONGTYPE', 1, true) then error(reply.err) end
  return ''
end
-- For while.lua: what one command has read of all keys, which of these were written since, and all levels' ten
-- characters (decide.lua) in one text.
local values, written, headers
local function read(i)
  if values and not written[KEYS[i]] then return values[i] end
  return redis.pcall('GET', KEYS[i])
end
