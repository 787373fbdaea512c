-- Which nodes take part: signs this node in or out, or only looks. Answers how many there are.
-- KEYS[1] the nodes by when they signed in. ARGV: this node, how long a signature counts (milliseconds), what to do.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local lasts = tonumber(ARGV[2])
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'zset' and kind ~= 'none' then redis.call('DEL', KEYS[1]) end
if ARGV[3] == 'in' then
  -- This write comes first: a full server refuses only a script's first.
  redis.call('ZADD', KEYS[1], now, ARGV[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - lasts)
  -- Signed by a clock that has gone back since.
  redis.call('ZREMRANGEBYSCORE', KEYS[1], now + lasts, '+inf')
elseif ARGV[3] == 'out' then
  redis.call('ZREM', KEYS[1], ARGV[1])
end
return redis.call('ZCOUNT', KEYS[1], now - lasts, now + lasts)
