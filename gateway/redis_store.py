"""The store that all workers of all machines share, on Redis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

from gateway.errors import StoreAway
from gateway.rates import Bucket, Turn
from gateway.redis_counts import RedisCounts
from gateway.redis_link import PREFIX, RedisLink

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


class RedisStore:
    """A ``Store``. Every operation raises ``StoreAway`` when Redis does not answer in time.

    :param url: as Redis's clients write it.
    :param warn: writes a log line, ``warn(event, **fields)``, when it goes away and when it comes back.
    """

    shared = True

    def __init__(self, url: str, warn: Callable[..., Any]) -> None:
        self.link = RedisLink(url, warn)
        scripts = (INCREMENT, ACQUIRE, RELEASE, SET_FENCED)
        self._increment, self._acquire, self._release, self._set_fenced = map(self.link.client.register_script, scripts)
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
        with suppress(StoreAway):
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

    def take(self, buckets: Sequence[Bucket], patience: float = 0.0) -> Turn:
        return self._counts.take(buckets, patience)

    def enter(self, key: str, most: int, ttl: float) -> str | None:
        return self._counts.enter(key, most, ttl)

    def leave(self, key: str, lease: str) -> None:
        self._counts.leave(key, lease)

    def extend(self, key: str, lease: str, ttl: float) -> None:
        self._counts.extend(key, lease, ttl)

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
