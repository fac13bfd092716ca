"""Windows and leases that all workers of all machines share, on Redis: one round trip each, by its own clock.

Both are sorted sets, ordered by the microsecond: of a window each use at its instant, of leases each at its end.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from gateway.policies.moving_window import MICROSECONDS
from gateway.rates import Bucket, Turn
from gateway.redis_link import PREFIX, RedisLink

# As policies/moving_window.py does it. Lua writes large numbers with 14 digits unless it is told otherwise.
TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local use, patience = ARGV[1], tonumber(ARGV[2])
local amounts, windows = {}, {}
local function exact(number) return string.format('%.0f', number) end
local function instant(key, rank)
    return tonumber(redis.call('ZRANGE', key, rank, rank, 'WITHSCORES')[2])
end

local function room(i, at)
    local key, window = KEYS[i], windows[i]
    while true do
        local near = redis.call('ZCOUNT', key, '(' .. exact(at - window), '(' .. exact(at + window))
        if near < amounts[i] then return at end
        local gone = redis.call('ZCOUNT', key, '-inf', exact(at - window))
        at = instant(key, gone + near - amounts[i]) + window
    end
end

for i, key in ipairs(KEYS) do
    amounts[i], windows[i] = tonumber(ARGV[2 * i + 1]), tonumber(ARGV[2 * i + 2])
    redis.call('ZREMRANGEBYSCORE', key, '-inf', exact(now - windows[i]))
end

local at, looked_at = now, nil
while at ~= looked_at do
    looked_at = at
    for i in ipairs(KEYS) do at = room(i, at) end
end

local taken = at == now or at - now < patience
if taken then
    for i, key in ipairs(KEYS) do
        redis.call('ZADD', key, exact(at), use)
        redis.call('PEXPIRE', key, exact((instant(key, -1) + windows[i] - now) / 1000 + 1))
    end
end
local oldest = instant(KEYS[1], 0)
return {
    taken and 1 or 0, at - now, math.max(0, amounts[1] - redis.call('ZCARD', KEYS[1])),
    oldest and oldest + windows[1] - now or 0
}
"""

# The lease, the seconds, and of a new one how many there may be.
HOLD = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
if ARGV[3] then
    if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
elseif not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
    return 0
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', (last - now) / 1000 + 1))
return 1
"""


class RedisCounts:
    """``take``, ``enter``, ``extend`` and ``leave`` of a ``Store``."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._take, self._hold = link.client.register_script(TAKE), link.client.register_script(HOLD)

    def take(self, buckets: Sequence[Bucket], patience: float = 0.0) -> Turn:
        numbers: list[object] = [secrets.token_bytes(8), round(patience * MICROSECONDS)]
        for bucket in buckets:
            numbers += bucket.rate.amount, round(bucket.rate.window * MICROSECONDS)
        with self._link.asking():
            taken, wait, remaining, reset = self._take([f"{PREFIX}window:{bucket.key}" for bucket in buckets], numbers)
        limit = buckets[0].rate.amount
        return Turn(bool(taken), wait / MICROSECONDS, limit, remaining, reset / MICROSECONDS)

    def enter(self, key: str, most: int, ttl: float) -> str | None:
        lease = secrets.token_hex(8)
        with self._link.asking():
            entered = self._hold([f"{PREFIX}leases:{key}"], [lease, round(ttl * MICROSECONDS), most])
        return lease if entered else None

    def extend(self, key: str, lease: str, ttl: float) -> None:
        with self._link.asking():
            self._hold([f"{PREFIX}leases:{key}"], [lease, round(ttl * MICROSECONDS)])

    def leave(self, key: str, lease: str) -> None:
        with self._link.asking() as client:
            client.zrem(f"{PREFIX}leases:{key}", lease)
