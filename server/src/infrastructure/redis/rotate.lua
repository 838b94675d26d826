-- The Redis image of domain::refresh::decide: one key, one atomic step.
-- All checks come before the first write, because Redis does not roll back.
--
-- KEYS[1]  the family's hot record, a hash:
--          g generation, l leaf digest, i idle end, a absolute end, and after a rotation
--          p parent digest, r rotated at, s sealed successor; d when the family is dead.
-- ARGV     1 presented generation   2 presented digest     3 successor digest
--          4 sealed successor       5 floor generation     6 floor digest or ''
--          7 floor idle end         8 floor absolute end   9 '1' when the floor was just read
--          10 idle lifetime         11 retry window        12 clock offset
-- Points in time and lengths are microseconds: below 2^53, so doubles hold them exactly.
-- Answers  {outcome} or {'repeat', sealed successor}.
local key = KEYS[1]
local generation, digest = tonumber(ARGV[1]), ARGV[2]
local floor_generation, floor_digest = tonumber(ARGV[5]), ARGV[6]
local idle_end, absolute_end = tonumber(ARGV[7]), tonumber(ARGV[8])

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2]) + tonumber(ARGV[12])

local record = redis.call('HMGET', key, 'g', 'l', 'i', 'a', 'p', 'r', 's', 'd')
if record[8] then
  return {'dead'}
end

local live = record[1] and tonumber(record[1])
-- A record below the floor came back from an old file; one below the token lost writes.
if live and live >= floor_generation and live >= generation then
  absolute_end = tonumber(record[4])
  if now >= tonumber(record[3]) or now >= absolute_end then
    return {'expired'}
  end
  local is_live = generation == live and digest == record[2]
  if not is_live then
    if record[5] and generation + 1 == live and digest == record[5]
        and now < tonumber(record[6]) + tonumber(ARGV[11]) then
      return {'repeat', record[7]}
    end
    redis.call('HSET', key, 'd', '1')
    return {'reuse'}
  end
else
  if ARGV[9] ~= '1' then
    return {'reload'}
  end
  if now >= idle_end or now >= absolute_end then
    return {'expired'}
  end
  local another_secret = generation == floor_generation and floor_digest ~= '' and floor_digest ~= digest
  if generation < floor_generation or another_secret then
    -- Dead here too, so that nothing comes of it while the revocation is on its way.
    redis.call('HSET', key, 'd', '1')
    redis.call('PEXPIRE', key, math.max(1, math.ceil((absolute_end - now) / 1000)))
    return {'reuse'}
  end
end

local next_idle_end = math.min(now + tonumber(ARGV[10]), absolute_end)
redis.call('HSET', key,
  'g', string.format('%.0f', generation + 1), 'l', ARGV[3],
  'i', string.format('%.0f', next_idle_end), 'a', string.format('%.0f', absolute_end),
  'p', digest, 'r', string.format('%.0f', now), 's', ARGV[4])
redis.call('PEXPIRE', key, math.max(1, math.ceil((next_idle_end - now) / 1000)))
return {'rotated', string.format('%.0f', next_idle_end)}
