-- Questions of windows alone, one after the other as in many.lua, each only while a key of its own holds a text. What
-- does not hold counts nothing, and says -1 for the time.
-- KEYS: one per level, then one per question. ARGV: ten characters for each level, a character for each question: how
-- many levels it has; then a text per question. All keys are read by one command.
local counts, reply, base, said = ARGV[2], {}, 0, 0
local levels = #KEYS - #counts
values, written, headers = redis.call('MGET', unpack(KEYS)), {}, ARGV[1]
for i = 1, #counts do
  local count = string.byte(counts, i)
  if values[levels + i] == ARGV[2 + i] then
    decide(base, count, base + 1, reply, said)
  else
    reply[said + 1] = -1
    for j = said + 2, said + 1 + 2 * count do reply[j] = 0 end
  end
  base, said = base + count, said + 1 + 2 * count
end
return reply
