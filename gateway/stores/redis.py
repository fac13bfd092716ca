"""The store that all workers of all machines share, on Redis."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, cast

from redis.exceptions import RedisError

from gateway.errors import StoreUnavailable
from gateway.rates import Bucket, Permit
from gateway.stores.base import Store
from gateway.stores.memory_limits import MICROSECONDS
from gateway.stores.redis_connection import PREFIX, RedisLink

#: Acquires a rate as ``MovingWindows`` does. Lua writes large numbers with 14 digits unless they
#: are formatted.
ACQUIRE_RATE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local use, max_wait = ARGV[1], tonumber(ARGV[2])
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

local at, previous = now, nil
while at ~= previous do
    previous = at
    for i in ipairs(KEYS) do at = room(i, at) end
end

local allowed = at == now or at - now < max_wait
if allowed then
    for i, key in ipairs(KEYS) do
        redis.call('ZADD', key, exact(at), use)
        redis.call('PEXPIRE', key, exact((instant(key, -1) + windows[i] - now) / 1000 + 1))
    end
end
local oldest = instant(KEYS[1], 0)
return {
    allowed and 1 or 0, at - now, math.max(0, amounts[1] - redis.call('ZCARD', KEYS[1])),
    oldest and oldest + windows[1] - now or 0
}
"""

#: Acquires or renews a slot: the lease, the microseconds, and of a new lease how many slots there
#: are.
HOLD_SLOT = """
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

FENCES = f"{PREFIX}fences"  # the key of the last number given to any lock

INCREMENT = """
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return count
"""

#: The number is the time in microseconds, so that it grows over a Redis that was restarted empty,
#: too.
ACQUIRE_LOCK = """
if redis.call('EXISTS', KEYS[1]) == 1 then return false end
local time = redis.call('TIME')
local fence = math.max(time[1] * 1000000 + time[2], (redis.call('GET', KEYS[2]) or 0) + 1)
local text = string.format('%.0f', fence)
redis.call('SET', KEYS[2], text)
redis.call('SET', KEYS[1], text, 'PX', ARGV[1])
return text
"""

RELEASE_LOCK = """
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
    :param warn: writes a log line, ``warn(event, **fields)``, when it goes and when it is back.
    """

    shared = True

    def __init__(self, url: str, warn: Callable[..., Any]) -> None:
        self.link = RedisLink(url, warn)
        register = self.link.client.register_script
        self._increment = register(INCREMENT)
        self._acquire_lock = register(ACQUIRE_LOCK)
        self._release_lock = register(RELEASE_LOCK)
        self._set_fenced = register(SET_FENCED)
        self._acquire_rate = register(ACQUIRE_RATE)
        self._hold_slot = register(HOLD_SLOT)
        #: Operations that nobody has seen succeed, by what they change.
        self._unfinished: dict[tuple[str, ...], Callable[[], object]] = {}
        self.link.on_return(self._finish_all)

    @property
    def up(self) -> bool:
        """Whether Redis answered the last operation."""
        return self.link.up

    def get(self, key: str) -> bytes | None:
        with self.link.operation() as client:
            return cast("bytes | None", client.get(PREFIX + key))

    def get_many(self, *keys: str) -> list[bytes | None]:
        with self.link.operation() as client:
            return cast("list[bytes | None]", client.mget([PREFIX + key for key in keys]))

    def set(self, key: str, value: bytes, ttl: float) -> None:
        with self.link.operation() as client:
            client.set(PREFIX + key, value, px=_milliseconds(ttl))

    def set_many(self, values: Mapping[str, bytes], ttl: float) -> None:
        with self.link.operation() as client, client.pipeline(transaction=False) as pipe:
            for key, value in values.items():
                pipe.set(PREFIX + key, value, px=_milliseconds(ttl))
            pipe.execute()

    def add(self, key: str, value: bytes, ttl: float) -> bool:
        with self.link.operation() as client:
            return bool(client.set(PREFIX + key, value, px=_milliseconds(ttl), nx=True))

    def delete(self, key: str) -> None:
        with self.link.operation() as client:
            client.delete(PREFIX + key)

    def forget(self, key: str) -> None:
        self._do_surely(("forget", key), partial(self.link.client.delete, PREFIX + key))

    def increment(self, key: str, ttl: float, by: int = 1) -> int:
        with self.link.operation():
            return int(self._increment([PREFIX + key], [by, _milliseconds(ttl)]))

    def ttl(self, key: str) -> float:
        with self.link.operation() as client:
            return max(0, int(client.pttl(PREFIX + key))) / 1000

    def acquire(self, key: str, ttl: float) -> int | None:
        with self.link.operation():
            fence = self._acquire_lock([f"{PREFIX}lock:{key}", FENCES], [_milliseconds(ttl)])
            return None if fence is None else int(fence)

    def release(self, key: str, fence: int) -> None:
        release = partial(self._release_lock, [f"{PREFIX}lock:{key}"], [fence])
        self._do_surely(("release", key, str(fence)), release)

    def set_fenced(self, key: str, value: bytes, ttl: float, fence: int) -> bool:
        with self.link.operation():
            return bool(self._set_fenced(*_fenced(key, value, ttl, fence)))

    def remember(self, key: str, value: bytes, ttl: float, fence: int) -> None:
        write = partial(self._set_fenced, *_fenced(key, value, ttl, fence))
        self._do_surely(("remember", key, str(fence)), write)

    def acquire_rate(self, buckets: Sequence[Bucket], max_wait: float = 0.0) -> Permit:
        keys = [f"{PREFIX}window:{bucket.key}" for bucket in buckets]
        arguments: list[object] = [secrets.token_bytes(8), _microseconds(max_wait)]
        for bucket in buckets:
            arguments += bucket.rate.amount, _microseconds(bucket.rate.window)
        with self.link.operation():
            allowed, wait, remaining, reset = self._acquire_rate(keys, arguments)
        return Permit(
            allowed=bool(allowed),
            wait=wait / MICROSECONDS,
            limit=buckets[0].rate.amount,
            remaining=remaining,
            reset=reset / MICROSECONDS,
        )

    def acquire_slot(self, key: str, slots: int, ttl: float) -> str | None:
        lease = secrets.token_hex(8)
        with self.link.operation():
            try:
                acquired = self._hold_slot(
                    [f"{PREFIX}leases:{key}"], [lease, _microseconds(ttl), slots]
                )
            except RedisError:  # Redis may have done it, or does it once it goes on
                self._unfinished["release", key, lease] = self._slot_release(key, lease)
                raise
        return lease if acquired else None

    def renew_slot(self, key: str, lease: str, ttl: float) -> None:
        with self.link.operation():
            self._hold_slot([f"{PREFIX}leases:{key}"], [lease, _microseconds(ttl)])

    def release_slot(self, key: str, lease: str) -> None:
        self._do_surely(("release", key, lease), self._slot_release(key, lease))

    def push(self, lists: Mapping[str, Sequence[bytes]], max_length: int, ttl: float) -> None:
        with self.link.operation() as client, client.pipeline(transaction=False) as pipe:
            for key, values in lists.items():
                pipe.lpush(PREFIX + key, *values)
                pipe.ltrim(PREFIX + key, 0, max_length - 1)
                pipe.pexpire(PREFIX + key, _milliseconds(ttl))
            pipe.execute()

    def latest(self, key: str, count: int) -> list[bytes]:
        with self.link.operation() as client:
            return cast("list[bytes]", client.lrange(PREFIX + key, 0, count - 1))

    def close(self) -> None:
        self.link.close()

    def _slot_release(self, key: str, lease: str) -> Callable[[], object]:
        return partial(self.link.client.zrem, f"{PREFIX}leases:{key}", lease)

    def _do_surely(self, name: tuple[str, ...], operation: Callable[[], object]) -> None:
        """Do it now, or once Redis is back, before anybody else may ask it."""
        self._unfinished[name] = operation
        with suppress(StoreUnavailable):
            self._finish(name, operation)

    def _finish_all(self) -> None:
        for name, operation in tuple(self._unfinished.items()):
            self._finish(name, operation)

    def _finish(self, name: tuple[str, ...], operation: Callable[[], object]) -> None:
        with self.link.operation():
            operation()
        if self._unfinished.get(name) is operation:  # and not the same once more
            del self._unfinished[name]


def _fenced(key: str, value: bytes, ttl: float, fence: int) -> tuple[list[str], list[object]]:
    """Return what ``SET_FENCED`` takes."""
    return [PREFIX + key, f"{PREFIX}fence:{key}"], [value, _milliseconds(ttl), fence]


def _milliseconds(ttl: float) -> int:
    """Return a time to live as Redis takes it: a whole number above 0."""
    return max(1, round(ttl * 1000))


def _microseconds(seconds: float) -> int:
    return round(seconds * MICROSECONDS)
