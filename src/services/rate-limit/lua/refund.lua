-- Takes units out of windows. KEYS: one per window. ARGV: the time they were counted at, then their weights.
for i = 1, #KEYS do
  local packed = redis.pcall('GET', KEYS[i])
  if type(packed) == 'string' and #packed % 7 == 0 then
    local at = tonumber(ARGV[1])
    local left = tonumber(ARGV[i + 1])
    -- Equal entries are adjacent, near the end, and interchangeable.
    local stop = #packed
    while stop > 0 and struct.unpack('>I7', packed, stop - 6) > at do stop = stop - 7 end
    local start = stop
    while left > 0 and start > 0 and struct.unpack('>I7', packed, start - 6) == at do
      start, left = start - 7, left - 1
    end
    if start < stop then
      local rest = string.sub(packed, 1, start) .. string.sub(packed, stop + 1)
      if rest == '' then
        redis.call('DEL', KEYS[i])
      else
        redis.call('SET', KEYS[i], rest, 'KEEPTTL')
      end
    end
  end
end
