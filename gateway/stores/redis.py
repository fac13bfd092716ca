"""The store that all workers of all machines share, on Redis."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

from gateway.errors import StoreUnavailable
from gateway.rates import Bucket, Permit
from gateway.stores.base import Store
from gateway.stores.memory import MICROSECONDS
from gateway.stores.redis_connection import PREFIX, RedisLink

# redis_counts: Windows and leases that all workers of all machines share, on Redis: one round trip each, by its own
# clock.

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
    """``acquire_rate``, ``acquire_slot``, ``renew_slot`` and ``release_slot`` of a ``Store``."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._take, self._hold = (
            link.client.register_script(TAKE),
            link.client.register_script(HOLD),
        )

    def acquire_rate(self, buckets: Sequence[Bucket], patience: float = 0.0) -> Permit:
        numbers: list[object] = [secrets.token_bytes(8), round(patience * MICROSECONDS)]
        for bucket in buckets:
            numbers += bucket.rate.amount, round(bucket.rate.window * MICROSECONDS)
        with self._link.asking():
            taken, wait, remaining, reset = self._take(
                [f"{PREFIX}window:{bucket.key}" for bucket in buckets], numbers
            )
        limit = buckets[0].rate.amount
        return Permit(bool(taken), wait / MICROSECONDS, limit, remaining, reset / MICROSECONDS)

    def acquire_slot(self, key: str, most: int, ttl: float) -> str | None:
        lease = secrets.token_hex(8)
        with self._link.asking():
            entered = self._hold(
                [f"{PREFIX}leases:{key}"], [lease, round(ttl * MICROSECONDS), most]
            )
        return lease if entered else None

    def renew_slot(self, key: str, lease: str, ttl: float) -> None:
        with self._link.asking():
            self._hold([f"{PREFIX}leases:{key}"], [lease, round(ttl * MICROSECONDS)])

    def release_slot(self, key: str, lease: str) -> None:
        with self._link.asking() as client:
            client.zrem(f"{PREFIX}leases:{key}", lease)


# redis_store: The store that all workers of all machines share, on Redis.

FENCES = f"{PREFIX}fences"  # the last number given to any lock

INCREMENT = """
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return count
"""

# The number is the time in microseconds, so that it grows over a Redis that was restarted empty, too.
ACQUIRE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return false end
local time = redis.call('TIME')
local fence = math.max(time[1] * 1000000 + time[2], (redis.call('GET', KEYS[2]) or 0) + 1)
local text = string.format('%.0f', fence)
redis.call('SET', KEYS[2], text)
redis.call('SET', KEYS[1], text, 'PX', ARGV[1])
return text
"""

RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""

SET_FENCED = """
if tonumber(redis.call('GET', KEYS[2]) or 0) > tonumber(ARGV[3]) then return 0 end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[2])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""


class RedisStore(Store):
    """A ``Store``. Every operation raises ``StoreUnavailable`` when Redis does not answer in time.

    :param url: as Redis's clients write it.
    :param warn: writes a log line, ``warn(event, **fields)``, when it goes away and when it comes back.
    """

    shared = True

    def __init__(self, url: str, warn: Callable[..., Any]) -> None:
        self.link = RedisLink(url, warn)
        scripts = (INCREMENT, ACQUIRE, RELEASE, SET_FENCED)
        self._increment, self._acquire, self._release, self._set_fenced = map(
            self.link.client.register_script, scripts
        )
        self._counts = RedisCounts(self.link)
        self._late: set[str] = set()  # keys to forget
        self.link.on_return(self._catch_up)

    @property
    def up(self) -> bool:
        """Whether it answered when it was last asked."""
        return self.link.up

    def get(self, key: str) -> bytes | None:
        with self.link.asking() as client:
            return cast("bytes | None", client.get(PREFIX + key))

    def get_many(self, *keys: str) -> list[bytes | None]:
        with self.link.asking() as client:
            return cast("list[bytes | None]", client.mget([PREFIX + key for key in keys]))

    def set(self, key: str, value: bytes, ttl: float) -> None:
        with self.link.asking() as client:
            client.set(PREFIX + key, value, px=_milliseconds(ttl))

    def set_many(self, values: Mapping[str, bytes], ttl: float) -> None:
        with self.link.asking() as client, client.pipeline(transaction=False) as pipe:
            for key, value in values.items():
                pipe.set(PREFIX + key, value, px=_milliseconds(ttl))
            pipe.execute()

    def add(self, key: str, value: bytes, ttl: float) -> bool:
        with self.link.asking() as client:
            return bool(client.set(PREFIX + key, value, px=_milliseconds(ttl), nx=True))

    def delete(self, key: str) -> None:
        with self.link.asking() as client:
            client.delete(PREFIX + key)

    def forget(self, key: str) -> None:
        self._late.add(key)
        with suppress(StoreUnavailable):
            self._catch_up()

    def increment(self, key: str, ttl: float, by: int = 1) -> int:
        with self.link.asking():
            return int(self._increment([PREFIX + key], [by, _milliseconds(ttl)]))

    def ttl(self, key: str) -> float:
        with self.link.asking() as client:
            return max(0, int(client.pttl(PREFIX + key))) / 1000

    def acquire(self, key: str, ttl: float) -> int | None:
        with self.link.asking():
            fence = self._acquire([f"{PREFIX}lock:{key}", FENCES], [_milliseconds(ttl)])
            return None if fence is None else int(fence)

    def release(self, key: str, fence: int) -> None:
        with self.link.asking():
            self._release([f"{PREFIX}lock:{key}"], [fence])

    def set_fenced(self, key: str, value: bytes, ttl: float, fence: int) -> bool:
        with self.link.asking():
            keys = [PREFIX + key, f"{PREFIX}fence:{key}"]
            return bool(self._set_fenced(keys, [value, _milliseconds(ttl), fence]))

    def acquire_rate(self, buckets: Sequence[Bucket], patience: float = 0.0) -> Permit:
        return self._counts.acquire_rate(buckets, patience)

    def acquire_slot(self, key: str, most: int, ttl: float) -> str | None:
        return self._counts.acquire_slot(key, most, ttl)

    def release_slot(self, key: str, lease: str) -> None:
        self._counts.release_slot(key, lease)

    def renew_slot(self, key: str, lease: str, ttl: float) -> None:
        self._counts.renew_slot(key, lease, ttl)

    def push(self, lists: Mapping[str, Sequence[bytes]], most: int, ttl: float) -> None:
        with self.link.asking() as client, client.pipeline(transaction=False) as pipe:
            for key, values in lists.items():
                pipe.lpush(PREFIX + key, *values)
                pipe.ltrim(PREFIX + key, 0, most - 1)
                pipe.pexpire(PREFIX + key, _milliseconds(ttl))
            pipe.execute()

    def latest(self, key: str, count: int) -> list[bytes]:
        with self.link.asking() as client:
            return cast("list[bytes]", client.lrange(PREFIX + key, 0, count - 1))

    def close(self) -> None:
        self.link.close()

    def _catch_up(self) -> None:
        for key in tuple(self._late):
            self.delete(key)
            self._late.discard(key)


def _milliseconds(ttl: float) -> int:
    """Redis takes whole ones, above 0."""
    return max(1, round(ttl * 1000))
