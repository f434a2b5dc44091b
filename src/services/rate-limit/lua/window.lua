-- An exact window: evaluateWindow of policy.ts. One string per key, 7 bytes per admitted unit: Unix microseconds, big-endian,
-- oldest first. Measured at a limit of 100: a list costs the same time and half as much memory again, a sorted set
-- more of both.
-- `packed` is the reply of GET. Returns the time it used, ok, remaining and reset as after writing, the string, and how
-- many of its bytes have expired.
local function evaluate_window(packed, now, limit, window, weight)
  local time_at = struct.unpack
  if type(packed) ~= 'string' then packed = empty_or_error(packed) end
  local size = #packed
  if size % 7 ~= 0 then packed, size = '', 0 end

  local cut, oldest = 0, now
  if size > 0 then
    -- A clock that stepped back must not let a window be used twice.
    local newest = time_at('>I7', packed, size - 6)
    if newest > now then now = newest end
    oldest = time_at('>I7', packed)
    if now - oldest >= window then
      local dead, live = 1, size / 7 + 1
      while live - dead > 1 do
        local middle = math.floor((dead + live) / 2)
        local counts = now - time_at('>I7', packed, middle * 7 - 6) < window
        if counts then live = middle else dead = middle end
      end
      cut = dead * 7
      oldest = cut < size and time_at('>I7', packed, cut + 1) or now
    end
  end

  local free = limit - (size - cut) / 7
  if weight <= free then
    return now, true, free - weight, oldest + window - now, packed, cut
  end
  -- The last unit that must expire before this request fits; one that never fits waits a whole window.
  local reset = window
  if weight <= limit then
    reset = time_at('>I7', packed, cut + (weight - free) * 7 - 6) + window - now
  end
  return now, false, free > 0 and free or 0, reset
end

-- Lua needs a microsecond to make a string of some hundred bytes, so it is appended to where memory allows: Redis then
-- reserves as much again, which would lift a full window of 100 over 1.5 kB. A long one is cut only now and then.
--
-- A key ends no earlier than a window after its newest entry. Its end is set by the first entry in each quarter of a
-- window and covers the whole quarter; setting it with every entry would cost one command more.
local function write_window(key, clock, now, weight, window, packed, cut)
  local entry = struct.pack('>I7', now)
  if weight > 1 then entry = string.rep(entry, weight) end
  local size, quarter = #packed, window / 4
  local appended = (size < 600 and size > 0 and cut == 0) or (size > 2048 and cut * 8 < size)
  if appended then
    redis.call('APPEND', key, entry)
    local newest = struct.unpack('>I7', packed, size - 6)
    if newest >= now - now % quarter then return end
  end
  -- Counted from the clock: entries may have times that it has not reached yet.
  local ttl_ms = math.ceil((now - clock + window + quarter) / 1000) + 2
  if appended then
    redis.call('PEXPIRE', key, ttl_ms)
  else
    if cut > 0 then packed = string.sub(packed, cut + 1) end
    redis.call('SET', key, packed .. entry, 'PX', ttl_ms)
  end
end
