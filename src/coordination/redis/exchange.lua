-- One limit: gives back unused credit, then leases a block. The generic cell rate algorithm on this server's
-- clock, all times in microseconds.
-- KEYS[1] the limit. ARGV: time per recipient, time that may be saved up, least and most wanted, unused time with
-- the count and the moment of its block, 1 to begin without credit.
-- Answers: granted, now, time until the least would be there, the count that this limit lives under.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local each, saved = tonumber(ARGV[1]), tonumber(ARGV[2])
local least, most = tonumber(ARGV[3]), tonumber(ARGV[4])
local back, back_born, back_at = tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
local kept = redis.pcall('HMGET', KEYS[1], 'arrival', 'born', 'full')
-- Something else lies under this name.
if kept.err then
  redis.call('DEL', KEYS[1])
  kept = {}
end
local arrival, born, full = tonumber(kept[1]), kept[2], tonumber(kept[3])
local latest = now + saved

-- Nothing is known of what was used before: all of it may have been.
if not arrival or not born or not full then
  arrival, born, full = latest, string.format('%.0f', now), now
end
if ARGV[8] == '1' then
  arrival, full = latest, now
end
-- The clock may have gone back.
if arrival > latest then arrival = latest end
if full > now then full = now end
if arrival <= now then arrival, full = now, now end
-- Undone as if it had never been leased, which is only true if nothing overflowed meanwhile.
if back > 0 and back_born == born and back_at >= full then
  arrival = math.max(arrival - back, now)
end

-- Reckoned with spans, and with half a microsecond in hand: the moments themselves are so large that their fractions
-- are lost, and a limit that is full would lack a hair of its burst for ever.
local debt = arrival - now
local granted, wait = 0, 0
local there = math.floor((saved - debt + 0.5) / each)
if there >= least then
  granted = math.min(there, most)
  arrival = arrival + granted * each
else
  wait = math.ceil(least * each - (saved - debt))
end
redis.call('HSET', KEYS[1], 'arrival', string.format('%.3f', arrival), 'born', born, 'full', string.format('%.0f', full))
return { granted, now, wait, born }
