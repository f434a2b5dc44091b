-- One decision over all levels of a question, on Redis' own clock: judge all, then write all, or nothing.
-- KEYS: one per level. ARGV, per level: kind (w window, l lease, s share; capital: in shadow), limit, window or lease
-- in microseconds, then w: weight, ttl; l: lease id; s: weight, agent, agents. A ttl is text, in milliseconds: Redis
-- spends a microsecond on each number that Lua hands it.
-- Returns {now, admitted}, then per level ok, remaining and microseconds until reset.
--
-- A judge only reads. judge_share(key, level, now) returns a table: ok, remaining and reset as after writing; `now` if
-- it had to use a later one; `write` and `ttl` (ms) for when the units are counted, `also` and `ttl` for when not.
local time = redis.call('TIME')
local clock = time[1] * 1000000 + time[2]

-- All levels use one time, the latest that any has seen: it differs from the clock only after that stepped back.
local now, latest, admitted, reply, found = clock, clock, nil, nil, nil
repeat
  now, admitted, reply, found = latest, 1, { 0, 0 }, {}
  local at = 1
  for i = 1, #KEYS do
    local kind, limit, span = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    local seen, ok, remaining, reset, verdict = now, nil, nil, nil, false
    if kind == 'w' or kind == 'W' then
      seen, ok, remaining, reset, verdict =
        judge_window(KEYS[i], now, limit, span, tonumber(ARGV[at + 3]))
      at = at + 5
    elseif kind == 'l' or kind == 'L' then
      ok, remaining, reset = judge_lease(KEYS[i], now, limit, span)
      at = at + 4
    else
      local level = { limit = limit, window = span, weight = tonumber(ARGV[at + 3]) }
      level.agent, level.agents = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
      verdict = judge_share(KEYS[i], level, now)
      seen, ok, remaining, reset = verdict.now or now, verdict.ok, verdict.remaining, verdict.reset
      at = at + 6
    end
    if seen > latest then latest = seen end
    if not ok and (kind == 'w' or kind == 'l' or kind == 's') then admitted = 0 end
    found[i] = verdict or false
    local slot = 3 * i
    reply[slot], reply[slot + 1], reply[slot + 2] = ok and 1 or 0, remaining, reset
  end
until latest == now
reply[1], reply[2] = now, admitted

-- Of a key that holds times the clock has not reached yet.
local function later(ttl)
  return string.format('%d', ttl + math.ceil((now - clock) / 1000))
end

local at = 1
for i = 1, #KEYS do
  local key, kind, slot = KEYS[i], ARGV[at], 3 * i
  local ok, weight, stride = reply[slot] == 1, 1, 4
  local counted = ok and admitted == 1
  if kind == 'w' or kind == 'W' then
    local ttl = ARGV[at + 4]
    if counted then
      redis.call('SET', key, found[i], 'PX', now == clock and ttl or later(ttl))
    else
      weight = tonumber(ARGV[at + 3])
    end
    stride = 5
  elseif kind == 'l' or kind == 'L' then
    if counted then write_lease(key, now, tonumber(ARGV[at + 2]), ARGV[at + 3]) end
  else
    local share = found[i]
    local value = share.also
    if counted then value = share.write end
    if value then redis.call('SET', key, value, 'PX', later(math.ceil(share.ttl) + 2)) end
    weight, stride = tonumber(ARGV[at + 3]), 6
  end
  if ok and not counted then
    -- It had room, but somebody else refused: nothing was taken from it.
    reply[slot + 1] = reply[slot + 1] + weight
    if reply[slot + 1] == tonumber(ARGV[at + 1]) then reply[slot + 2] = 0 end
  end
  at = at + stride
end
return reply
