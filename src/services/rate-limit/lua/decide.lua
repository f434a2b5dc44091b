-- One decision over all levels of a request, on Redis' own clock: evaluate all, then write all or nothing. `base` keys
-- and `at` - 1 arguments belong to the requests before it, `count` levels to this one; the decision goes into `reply`
-- after its first `offset` entries.
-- KEYS: one per level. ARGV, per level: ten characters, then nothing for a window; the slot's id for concurrency; agent
-- and agents for a fair share. The ten: kind (w, l, s; capital: in shadow), then limit (2), weight (2), window or slot
-- ttl in milliseconds (5), each 7 bits a character, because Lua needs a third of a microsecond to parse a number.
-- Written to `reply`: now, then per level remaining and microseconds until reset; -1 - remaining for a level without room.
-- Returns where the arguments of the next request begin.
--
-- Evaluation only reads. evaluate_fair_share(key, level, now) returns a table: ok, remaining and reset as after writing;
-- `now` if it had to use a later one; `admitted_value` to store when the units are counted, else `refused_value`; `ttl` (ms).
local function parse(at)
  local kind, l1, l0, w1, w0, s4, s3, s2, s1, s0
  if headers then
    kind, l1, l0, w1, w0, s4, s3, s2, s1, s0 = string.byte(headers, 10 * at - 9, 10 * at)
  else
    kind, l1, l0, w1, w0, s4, s3, s2, s1, s0 = string.byte(ARGV[at], 1, 10)
  end
  local span = (((s4 * 128 + s3) * 128 + s2) * 128 + s1) * 128 + s0
  return kind, l1 * 128 + l0, w1 * 128 + w0, span * 1000
end

local function decide(base, count, at, reply, offset)
  -- All levels use one time, the latest stored in any: it differs from the clock only after that stepped back.
  local now, latest, admitted, found, first = clock, clock, true, {}, at
  repeat
    now, admitted, at = latest, true, first
    reply[offset + 1] = now
    for i = 1, count do
      local kind, limit, weight, span = parse(at)
      local seen, ok, remaining, reset, value, cut = now, nil, nil, nil, nil, nil
      if kind == 119 or kind == 87 then
        local packed = known or read(base + i)
        seen, ok, remaining, reset, value, cut = evaluate_window(packed, now, limit, span, weight)
        found[2 * i - 1], found[2 * i] = value, cut
        at = at + 1
      elseif kind == 108 or kind == 76 then
        ok, remaining, reset = evaluate_concurrency(KEYS[base + i], now, limit, span)
        at = at + 2
      else
        local level = { limit = limit, window = span, weight = weight }
        level.agent, level.agents = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
        local share = evaluate_fair_share(KEYS[base + i], level, now)
        seen, ok, remaining, reset = share.now or now, share.ok, share.remaining, share.reset
        found[2 * i - 1] = share
        at = at + 3
      end
      if seen > latest then latest = seen end
      if not ok and kind > 96 then admitted = false end
      reply[offset + 2 * i], reply[offset + 2 * i + 1] = ok and remaining or -1 - remaining, reset
    end
  until latest == now

  at = first
  for i = 1, count do
    local key, slot = KEYS[base + i], 2 * i
    local kind, limit, weight, span = parse(at)
    local ok = reply[offset + slot] >= 0
    local counted = ok and admitted
    if kind == 119 or kind == 87 then
      if counted then
        write_window(key, clock, now, weight, span, found[slot - 1], found[slot])
        if written then written[key] = true end
      end
      at = at + 1
    elseif kind == 108 or kind == 76 then
      if counted then write_slot(key, now, span, ARGV[at + 1]) end
      at = at + 2
    else
      local share = found[slot - 1]
      local value = share.refused_value
      if counted then value = share.admitted_value end
      -- Entries may have times that the clock has not reached yet.
      local ttl_ms = math.ceil(share.ttl + (now - clock) / 1000) + 2
      if value then redis.call('SET', key, value, 'PX', ttl_ms) end
      at = at + 3
    end
    if ok and not counted then
      -- It had room, but another level refused: nothing is taken from it.
      reply[offset + slot] = reply[offset + slot] + weight
      if reply[offset + slot] == limit then reply[offset + slot + 1] = 0 end
    end
  end
  return at
end
