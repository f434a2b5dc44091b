-- Requests one after the other, each as if it were the only one. The last argument has a character for each: how many
-- levels it has.
local counts, reply, base, at = ARGV[#ARGV], {}, 0, 1
for i = 1, #counts do
  local count = string.byte(counts, i)
  at = decide(base, count, at, reply, 2 * base + i - 1)
  base = base + count
end
return reply
