-- Requests of window levels only, one after the other as in many.lua, each only if its condition holds: a key has a
-- given value. Where it does not hold nothing is counted, and the time in the reply is -1.
-- KEYS: one per level, then one per request. ARGV: ten characters for each level; a character for each request: how many
-- levels it has; then a value per request. All keys are read by one command.
local counts, reply, base, offset = ARGV[2], {}, 0, 0
local levels = #KEYS - #counts
values, written, headers = redis.call('MGET', unpack(KEYS)), {}, ARGV[1]
for i = 1, #counts do
  local count = string.byte(counts, i)
  if values[levels + i] == ARGV[2 + i] then
    decide(base, count, base + 1, reply, offset)
  else
    reply[offset + 1] = -1
    for j = offset + 2, offset + 1 + 2 * count do reply[j] = 0 end
  end
  base, offset = base + count, offset + 1 + 2 * count
end
return reply
