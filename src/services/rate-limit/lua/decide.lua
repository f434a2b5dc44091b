-- One decision over all levels of a question, on Redis' own clock: judge all, then write all, or nothing.
-- KEYS: one per level. ARGV, per level: ten characters, then for a window: ttl; a lease: its id; a share: agent,
-- agents. The ten: kind (w, l, s; capital: in shadow), then limit (2), weight (2), window or lease in milliseconds (5),
-- each 7 bits a character, because Lua needs a third of a microsecond to read a number from text. A ttl is text,
-- because Redis needs a whole one to write a number that Lua hands it.
-- Returns {now, admitted}, then per level ok, remaining and microseconds until reset.
--
-- A judge only reads. judge_share(key, level, now) returns a table: ok, remaining and reset as after writing; `now` if
-- it had to use a later one; `write` and `ttl` (ms) for when the units are counted, `also` and `ttl` for when not.
local time = redis.call('TIME')
local clock = time[1] * 1000000 + time[2]

local function parse(text)
  local kind, l1, l0, w1, w0, s4, s3, s2, s1, s0 = string.byte(text, 1, 10)
  local span = (((s4 * 128 + s3) * 128 + s2) * 128 + s1) * 128 + s0
  return kind, l1 * 128 + l0, w1 * 128 + w0, span * 1000
end

-- Of a key that holds times the clock has not reached yet.
local function later(ttl_ms, now)
  return string.format('%d', ttl_ms + math.ceil((now - clock) / 1000))
end

-- One window alone, the commonest question, without the tables of many.
if #KEYS == 1 then
  local kind, limit, weight, span = parse(ARGV[1])
  if kind == 119 or kind == 87 then
    local now, ok, remaining, reset, packed, cut = judge_window(KEYS[1], clock, limit, span, weight)
    if ok then
      local ttl = now == clock and ARGV[2] or later(ARGV[2], now)
      write_window(KEYS[1], now, weight, packed, cut, ttl)
      return { now, 1, 1, remaining, reset }
    end
    return { now, kind == 87 and 1 or 0, 0, remaining, reset }
  end
end

-- All levels use one time, the latest that any has seen: it differs from the clock only after that stepped back.
local now, latest, admitted, reply, found = clock, clock, nil, nil, nil
repeat
  now, admitted, reply, found = latest, 1, { 0, 0 }, {}
  local at = 1
  for i = 1, #KEYS do
    local kind, limit, weight, span = parse(ARGV[at])
    local seen, ok, remaining, reset, value, cut = now, nil, nil, nil, nil, nil
    if kind == 119 or kind == 87 then
      seen, ok, remaining, reset, value, cut = judge_window(KEYS[i], now, limit, span, weight)
      found[2 * i - 1], found[2 * i] = value, cut
      at = at + 2
    elseif kind == 108 or kind == 76 then
      ok, remaining, reset = judge_lease(KEYS[i], now, limit, span)
      at = at + 2
    else
      local level = { limit = limit, window = span, weight = weight }
      level.agent, level.agents = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
      local share = judge_share(KEYS[i], level, now)
      seen, ok, remaining, reset = share.now or now, share.ok, share.remaining, share.reset
      found[2 * i - 1] = share
      at = at + 3
    end
    if seen > latest then latest = seen end
    if not ok and kind > 96 then admitted = 0 end
    local slot = 3 * i
    reply[slot], reply[slot + 1], reply[slot + 2] = ok and 1 or 0, remaining, reset
  end
until latest == now
reply[1], reply[2] = now, admitted

local at = 1
for i = 1, #KEYS do
  local key, slot = KEYS[i], 3 * i
  local kind, limit, weight, span = parse(ARGV[at])
  local ok = reply[slot] == 1
  local counted = ok and admitted == 1
  if kind == 119 or kind == 87 then
    if counted then
      local ttl = now == clock and ARGV[at + 1] or later(ARGV[at + 1], now)
      write_window(key, now, weight, found[2 * i - 1], found[2 * i], ttl)
    end
    at = at + 2
  elseif kind == 108 or kind == 76 then
    if counted then write_lease(key, now, span, ARGV[at + 1]) end
    at = at + 2
  else
    local share = found[2 * i - 1]
    local value = share.also
    if counted then value = share.write end
    if value then redis.call('SET', key, value, 'PX', later(math.ceil(share.ttl) + 2, now)) end
    at = at + 3
  end
  if ok and not counted then
    -- It had room, but another refused: nothing was taken from it.
    reply[slot + 1] = reply[slot + 1] + weight
    if reply[slot + 1] == limit then reply[slot + 2] = 0 end
  end
end
return reply
