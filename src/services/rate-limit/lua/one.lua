local reply = {}
decide(0, #KEYS, 1, reply, 0)
return reply
