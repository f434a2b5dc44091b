-- Takes units of one agent out of a fair share: refundFairShare of fair-share.ts, on the bytes that fair-share.lua explains.
-- KEYS: one per share. ARGV: the time they were counted at, then for each share the agent, its weight and the pace's step.
local at = tonumber(ARGV[1])
for i = 1, #KEYS do
  local packed = redis.pcall('GET', KEYS[i])
  if type(packed) == 'string' and #packed > 15 then
    local agent, left, step = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
    local size = string.byte(packed) + 1
    local head = 15 + 6 * size
    local units = (#packed - head) / 8
    if units >= 1 and units % 1 == 0 and agent < size then
      local times = head + units + 1
      local function time_at(n) return (struct.unpack('>I7', packed, times + 7 * (n - 1))) end
      local slots, removed, n = {}, 0, units
      while n > 0 and time_at(n) > at do n = n - 1 end
      local last = n
      -- Entries of one time are adjacent, and those of one agent among them are interchangeable.
      while n > 0 and time_at(n) == at do
        local slot = string.byte(packed, head + n)
        if slot == agent and removed < left then
          removed = removed + 1
        else
          table.insert(slots, 1, string.char(slot))
        end
        n = n - 1
      end
      if removed > 0 then
        local count = struct.unpack('>I2', packed, 16 + 2 * agent)
        local pace = struct.unpack('>I7', packed, 2)
        redis.call('SET', KEYS[i], table.concat({
          string.sub(packed, 1, 1),
          struct.pack('>I7', math.max(0, pace - removed * step)),
          string.sub(packed, 9, 15 + 2 * agent),
          struct.pack('>I2', math.max(0, count - removed)),
          string.sub(packed, 18 + 2 * agent, head + n),
          table.concat(slots),
          string.sub(packed, head + last + 1, head + units),
          string.sub(packed, times, times + 7 * (last - removed) - 1),
          string.sub(packed, times + 7 * last),
        }), 'KEEPTTL')
      end
    end
  end
end
