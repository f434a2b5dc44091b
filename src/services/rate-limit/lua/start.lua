-- Redis' own clock, and the value that one-window.lua has read already.
local time = redis.call('TIME')
local clock = time[1] * 1000000 + time[2]
local known
