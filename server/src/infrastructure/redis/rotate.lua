-- The decision about a presented refresh token and what follows from it, in one atomic step on one
-- key: domain::refresh::decide and domain::refresh::rotated, word for word.
--
-- Redis does not roll back: every check stands before the first write.
--
-- The record: g generation, l leaf digest, p parent digest, r rotated at, s sealed successor,
-- i idle end, a absolute end, d dead. Times are microseconds; they stay exact in a double until
-- the year 2255. tostring() would cut them to 14 digits.
local ROTATED, REPEATED, REUSED, EXPIRED, DEAD, RELOAD = 0, 1, 2, 3, 4, 5

local key = KEYS[1]
local presented = tonumber(ARGV[1])
local digest = ARGV[2]
local successor_digest, successor_sealed = ARGV[3], ARGV[4]
local idle, retry_window = tonumber(ARGV[5]), tonumber(ARGV[6])
local floor, floor_leaf = tonumber(ARGV[7]), ARGV[8]
local floor_idle_end, floor_absolute_end = tonumber(ARGV[9]), tonumber(ARGV[10])
local floor_is_fresh = ARGV[11] == '1'
local clock_offset = tonumber(ARGV[12])

local record = redis.call('HMGET', key, 'g', 'l', 'p', 'r', 's', 'i', 'a', 'd')
if record[8] then
    return { DEAD }
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2]) + clock_offset

local function integer(number)
    return string.format('%.0f', number)
end

-- Saturates, as Generation::next does.
local function following(generation)
    return math.min(generation + 1, 4294967295)
end

local function keep_until(idle_end)
    redis.call('PEXPIRE', key, integer(math.max(1, math.ceil((idle_end - now) / 1000))))
end

local generation = tonumber(record[1] or '-1')
local idle_end, absolute_end, reused
if generation >= floor and generation >= presented then
    idle_end, absolute_end = tonumber(record[6]), tonumber(record[7])
    if now >= idle_end or now >= absolute_end then
        return { EXPIRED }
    end
    if presented == generation then
        reused = digest ~= record[2]
    elseif following(presented) == generation and digest == record[3]
        and now < tonumber(record[4]) + retry_window then
        return { REPEATED, record[5] }
    else
        reused = true
    end
elseif not floor_is_fresh then
    return { RELOAD }
else
    idle_end, absolute_end = floor_idle_end, floor_absolute_end
    if now >= idle_end or now >= absolute_end then
        return { EXPIRED }
    end
    reused = presented < floor
        or (presented == floor and floor_leaf ~= '' and floor_leaf ~= digest)
end

if reused then
    redis.call('HSET', key, 'd', '1', 's', '')
    keep_until(idle_end)
    return { REUSED }
end

local new_idle_end = math.min(now + idle, absolute_end)
redis.call('HSET', key,
    'g', integer(following(presented)), 'l', successor_digest,
    'p', digest, 'r', integer(now), 's', successor_sealed,
    'i', integer(new_idle_end), 'a', integer(absolute_end))
keep_until(new_idle_end)
return { ROTATED, new_idle_end }
