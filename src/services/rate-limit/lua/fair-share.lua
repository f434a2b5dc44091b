-- The fair share inside one key: the step of fair-share.ts, where the rules are explained. One string per key:
-- highest slot seen (1 byte), pace and quarter (7 bytes each, microseconds), then 2 bytes per slot: units in the
-- window, refused in this quarter, refused in the one before; then one byte (slot) per unit, oldest first, then
-- 7 bytes (time) per unit. Slots and times are kept apart, so that many slots are read with one call.
-- Returns ok, remaining, reset, now (the time used), ttl in ms, and `admitted_value` if it fits, else `refused_value`.

-- What waiting agents need to reach `own`.
local function reserved_units(view, own)
  local sum, counts, waiting, own_slot = 0, view.counts, view.waiting, view.own_slot
  local waiting_slots = view.waiting_slots
  for k = 1, #waiting_slots do
    local j = waiting_slots[k]
    local behind = own - counts[j]
    if behind > 0 and j ~= own_slot then
      local units = waiting[j]
      sum = sum + (units < behind and units or behind)
    end
  end
  return sum
end

local function fits(view, own, taken, weight, pace)
  local free = view.limit - taken - weight
  if free < 0 then return false end
  local above = own == 0 and 0 or own + weight - view.guarantee
  if above > 0 then
    if pace > view.now then return false end
    free = free - (above < view.spare and above or view.spare)
    if free < 0 then return false end
  end
  return free >= reserved_units(view, own)
end

local function remaining_units(view, taken, pace)
  local own, low, high = view.counts[view.own_slot], 0, view.limit - taken
  while low < high do
    local k = math.ceil((low + high) / 2)
    if fits(view, own + k - 1, taken + k - 1, 1, pace + (k - 1) * view.step) then
      low = k
    else
      high = k - 1
    end
  end
  return low
end

-- Lets the units expire one by one until the request fits. `slots_of` and `time_of` read slots and time of the n-th unit;
-- from `forgotten` on no agent waits.
local function fits_at(view, taken, weight, pace, forgotten, slots_of, time_of)
  local counts, waiting, own_slot, window = view.counts, view.waiting, view.own_slot, view.window
  local function free_at(expired)
    if expired <= 0 then return view.now end
    return time_of(expired < taken and expired or taken) + window
  end
  local bound = math.max(forgotten, pace, free_at(taken + weight + view.spare - view.limit))
  local reserved = reserved_units(view, counts[own_slot])
  local slots
  for expired = 0, math.min(taken, 256) do
    if expired > 0 then
      if expired % 32 == 1 then slots = slots_of(expired, math.min(expired + 31, taken)) end
      local slot = slots[(expired - 1) % 32 + 1] + 1
      counts[slot] = counts[slot] - 1
      local behind = counts[own_slot] - counts[slot]
      if slot == own_slot then
        reserved = reserved_units(view, counts[own_slot])
      elseif behind > 0 and waiting[slot] >= behind then
        reserved = reserved + 1
      end
    end
    local own = counts[own_slot]
    local free = view.limit - (taken - expired) - weight - reserved
    if free >= 0 or expired % 32 == 0 then
      local when = free_at(expired)
      if when >= bound then break end
      local above = own == 0 and 0 or own + weight - view.guarantee
      if above <= 0 and free >= 0 then return when end
      if above > 0 and free >= math.min(view.spare, above) then bound = math.max(when, pace) end
    end
  end
  return bound
end

local function evaluate_fair_share(key, level, now)
  local unpack_, pack, sub, max, min = struct.unpack, struct.pack, string.sub, math.max, math.min
  local limit, window, weight, own_slot = level.limit, level.window, level.weight, level.agent + 1
  local quarter = window / 4

  local packed = redis.pcall('GET', key)
  if type(packed) ~= 'string' then packed = empty_or_error(packed) end
  local size, units, head = 0, 0, 0
  if #packed > 0 then
    size = string.byte(packed) + 1
    head = 15 + 6 * size
    units = (#packed - head) / 8
  end
  local pace, began, numbers = nil, nil, {}
  if head > 0 and units >= 0 and units % 1 == 0 then
    numbers = { unpack_('>' .. string.rep('I2', 3 * size), packed, 16) }
    local sum = 0
    for j = 1, size do sum = sum + numbers[j] end
    -- A value whose counts do not add up is foreign, and is replaced.
    if sum == units then pace, began = unpack_('>I7I7', packed, 2) end
  end
  if pace then
    -- A clock that stepped back must not let a window be used twice.
    if units > 0 then now = max(now, (unpack_('>I7', packed, #packed - 6))) end
  else
    packed, numbers, size, units, head = '', {}, 0, 0, 0
    pace, began = now, now - math.fmod(now, quarter)
  end
  local places = max(size, own_slot)

  -- Quarters.
  local age = now - began
  local is_new_quarter, both_quarters_new = age >= quarter, age >= 2 * quarter
  if is_new_quarter then began = now - math.fmod(now, quarter) end
  local counts, refused, before, waiting, waiting_slots = {}, {}, {}, {}, {}
  for j = 1, places do
    local known = j <= size
    counts[j] = known and numbers[j] or 0
    local this, last = 0, 0
    if known and not is_new_quarter then this, last = numbers[size + j], numbers[2 * size + j] end
    if known and is_new_quarter and not both_quarters_new then last = numbers[size + j] end
    refused[j], before[j] = this, last
    waiting[j] = this + last
    if waiting[j] > 0 then waiting_slots[#waiting_slots + 1] = j end
  end

  -- What has expired. Slots begin at head + 1, times after them.
  local times = head + units + 1
  local expired, oldest = 0, now
  while expired < units do
    oldest = unpack_('>I7', packed, times + 7 * expired)
    if now - oldest < window then break end
    local slot = string.byte(packed, head + 1 + expired) + 1
    counts[slot] = counts[slot] - 1
    expired = expired + 1
  end
  local taken = units - expired
  if taken == 0 then oldest = now end

  local step = math.ceil(window / max(1, limit))
  local places_given = level.agents
  if own_slot == 1 or counts[1] > 0 or waiting[1] > 0 then places_given = places_given + 1 end
  local view = {
    limit = limit, own_slot = own_slot, window = window, now = now, step = step,
    guarantee = max(1, math.floor(limit / max(1, places_given))),
    spare = math.floor((3 * limit + 50) / 100),
    counts = counts, waiting = waiting, waiting_slots = waiting_slots,
  }
  local behind = now - max(1, math.floor(limit / 50)) * step
  pace = max(min(pace, now + taken * step), behind)

  local ok = fits(view, counts[own_slot], taken, weight, pace)
  local out = { ok = ok, now = now, ttl = window / 1000 }
  local slots, ends = sub(packed, head + 1 + expired, head + units), sub(packed, times + 7 * expired)
  if ok then
    out.reset = oldest + window - now
    counts[own_slot] = counts[own_slot] + weight
    taken = taken + weight
    pace = pace + weight * step
    slots = slots .. string.rep(string.char(own_slot - 1), weight)
    ends = ends .. string.rep(pack('>I7', now), weight)
    out.remaining = remaining_units(view, taken, max(min(pace, now + taken * step), behind))
  else
    refused[own_slot] = min(refused[own_slot] + weight, 10000)
    out.remaining = remaining_units(view, taken, pace)
  end
  for j = 1, places do
    numbers[j], numbers[places + j], numbers[2 * places + j] = counts[j], refused[j], before[j]
  end
  local value = pack('>BI7I7' .. string.rep('I2', 3 * places), places - 1, pace, began, unpack(numbers))
    .. slots .. ends
  if ok then
    out.admitted_value = value
  else
    out.refused_value = value
    out.reset = window
    if weight <= limit then
      out.reset = fits_at(view, taken, weight, pace, began + 2 * quarter,
        function(from, to) return { string.byte(slots, from, to) } end,
        function(n) return (unpack_('>I7', ends, 7 * n - 6)) end) - now
    end
  end
  return out
end
